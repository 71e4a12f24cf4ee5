package io.github.sparkmixtral.grammar;

import io.github.sparkmixtral.grammar.Expression.Characters;
import io.github.sparkmixtral.grammar.Expression.Choice;
import io.github.sparkmixtral.grammar.Expression.Reference;
import io.github.sparkmixtral.grammar.Expression.Repeat;
import io.github.sparkmixtral.grammar.Expression.Sequence;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Rules that say which texts there are. Each rule can be finished: what could not is left out of the alternatives.
 *
 * @param root the rule of a whole text
 */
record Grammar(String root, Map<String, Expression> rules) {

    /**
     * Checks the rules.
     *
     * @throws GrammarException where a rule is missing, no text is possible, or a rule begins with itself
     */
    static Grammar of(String root, Map<String, Expression> rules) {
        requireDefined(root, rules);
        Set<String> productive = productive(rules);
        if (!productive.contains(root)) {
            throw new GrammarException("no text is possible: the rules from '" + root + "' on never come to an end");
        }
        Map<String, Expression> pruned = new LinkedHashMap<>();
        rules.forEach((name, rule) -> {
            if (productive.contains(name)) {
                pruned.put(name, pruned(rule, productive));
            }
        });
        Grammar grammar = new Grammar(root, pruned);
        grammar.refuseLeftRecursion();
        return grammar;
    }

    private static void requireDefined(String root, Map<String, Expression> rules) {
        if (!rules.containsKey(root)) {
            throw new GrammarException("the rule '" + root + "', which a grammar begins with, is missing");
        }
        rules.forEach((name, rule) -> {
            Set<String> used = new LinkedHashSet<>();
            collect(rule, used);
            for (String other : used) {
                if (!rules.containsKey(other)) {
                    throw new GrammarException(
                            "the rule '" + name + "' uses the rule '" + other + "', which is missing");
                }
            }
        });
    }

    private static void collect(Expression expression, Set<String> references) {
        switch (expression) {
            case Characters _ -> {}
            case Sequence sequence -> sequence.parts().forEach(part -> collect(part, references));
            case Choice choice -> choice.alternatives().forEach(part -> collect(part, references));
            case Repeat repeat -> collect(repeat.body(), references);
            case Reference reference -> references.add(reference.rule());
        }
    }

    private static Set<String> productive(Map<String, Expression> rules) {
        Set<String> productive = new HashSet<>();
        boolean more = true;
        while (more) {
            more = false;
            for (Map.Entry<String, Expression> rule : rules.entrySet()) {
                if (!productive.contains(rule.getKey()) && isProductive(rule.getValue(), productive)) {
                    productive.add(rule.getKey());
                    more = true;
                }
            }
        }
        return productive;
    }

    private static boolean isProductive(Expression expression, Set<String> rules) {
        return switch (expression) {
            case Characters characters -> !characters.set().isEmpty();
            case Sequence sequence -> sequence.parts().stream().allMatch(part -> isProductive(part, rules));
            case Choice choice -> choice.alternatives().stream().anyMatch(part -> isProductive(part, rules));
            case Repeat repeat -> repeat.least() == 0 || isProductive(repeat.body(), rules);
            case Reference reference -> rules.contains(reference.rule());
        };
    }

    private static Expression pruned(Expression expression, Set<String> rules) {
        return switch (expression) {
            case Sequence sequence ->
                new Sequence(sequence.parts().stream()
                        .map(part -> pruned(part, rules))
                        .toList());
            case Choice choice ->
                new Choice(choice.alternatives().stream()
                        .filter(part -> isProductive(part, rules))
                        .map(part -> pruned(part, rules))
                        .toList());
            case Repeat repeat ->
                isProductive(repeat.body(), rules)
                        ? new Repeat(pruned(repeat.body(), rules), repeat.least(), repeat.most())
                        : Expression.EMPTY;
            case Characters characters -> characters;
            case Reference reference -> reference;
        };
    }

    private void refuseLeftRecursion() {
        Set<String> nullable = nullable();
        Map<String, Set<String>> firsts = new LinkedHashMap<>();
        rules.forEach((name, rule) -> {
            Set<String> first = new LinkedHashSet<>();
            firsts(rule, nullable, first);
            firsts.put(name, first);
        });
        Set<String> done = new HashSet<>();
        for (String rule : rules.keySet()) {
            visit(rule, firsts, done, new ArrayList<>());
        }
    }

    private static void visit(String rule, Map<String, Set<String>> firsts, Set<String> done, List<String> path) {
        if (path.contains(rule)) {
            String circle = String.join(" -> ", path.subList(path.indexOf(rule), path.size())) + " -> " + rule;
            throw new GrammarException("the rule '" + rule + "' begins with itself (" + circle
                    + "), which no text can be read with: let it end with itself instead");
        }
        if (done.contains(rule)) {
            return;
        }
        path.add(rule);
        firsts.get(rule).forEach(first -> visit(first, firsts, done, path));
        path.removeLast();
        done.add(rule);
    }

    private Set<String> nullable() {
        Set<String> nullable = new HashSet<>();
        boolean more = true;
        while (more) {
            more = false;
            for (Map.Entry<String, Expression> rule : rules.entrySet()) {
                if (!nullable.contains(rule.getKey()) && isNullable(rule.getValue(), nullable)) {
                    nullable.add(rule.getKey());
                    more = true;
                }
            }
        }
        return nullable;
    }

    private static boolean isNullable(Expression expression, Set<String> rules) {
        return switch (expression) {
            case Characters _ -> false;
            case Sequence sequence -> sequence.parts().stream().allMatch(part -> isNullable(part, rules));
            case Choice choice -> choice.alternatives().stream().anyMatch(part -> isNullable(part, rules));
            case Repeat repeat -> repeat.least() == 0 || isNullable(repeat.body(), rules);
            case Reference reference -> rules.contains(reference.rule());
        };
    }

    /** Rules that may stand before the first character. */
    private static void firsts(Expression expression, Set<String> nullable, Set<String> firsts) {
        switch (expression) {
            case Characters _ -> {}
            case Sequence sequence -> {
                for (Expression part : sequence.parts()) {
                    firsts(part, nullable, firsts);
                    if (!isNullable(part, nullable)) {
                        return;
                    }
                }
            }
            case Choice choice -> choice.alternatives().forEach(part -> firsts(part, nullable, firsts));
            case Repeat repeat -> firsts(repeat.body(), nullable, firsts);
            case Reference reference -> firsts.add(reference.rule());
        }
    }
}
