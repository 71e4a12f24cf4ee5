package io.github.sparkmixtral.grammar;

import io.github.sparkmixtral.grammar.Expression.Characters;
import io.github.sparkmixtral.grammar.Expression.Choice;
import io.github.sparkmixtral.grammar.Expression.Reference;
import io.github.sparkmixtral.grammar.Expression.Repeat;
import io.github.sparkmixtral.grammar.Expression.Sequence;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/**
 * Texts that several expressions take and others do not, as rules: one rule for each way in which a text can go on. These are found by
 * partial derivatives (Antimirov, 1996): what may follow a character, in each of the expressions. References are not read.
 */
final class Intersection {
    private static final int MOST_RULES = 3_000;
    private static final int MOST_STEPS = 1_000_000;

    private final List<Expression> taken;
    private final List<Expression> refused;
    private final List<CodePoints> alphabet;
    private int steps;

    /** What may follow a text in each expression; first in those that take it. */
    private record Place(List<Set<Expression>> rests) {}

    Intersection(List<Expression> taken, List<Expression> refused) {
        this.taken = taken;
        this.refused = refused;
        List<Expression> all = new ArrayList<>(taken);
        all.addAll(refused);
        this.alphabet = alphabet(all);
    }

    /**
     * The rules.
     *
     * @param name of the rule of whole texts, and the beginning of the others' names
     * @param written how characters are written
     * @return empty if there is no such text
     * @throws GrammarException where there are too many ways for a text to go on
     */
    Map<String, Expression> rules(String name, Function<CodePoints, Expression> written) {
        List<Set<Expression>> whole = new ArrayList<>();
        taken.forEach(expression -> whole.add(Set.of(expression)));
        refused.forEach(expression -> whole.add(Set.of(expression)));
        Map<Place, Map<Place, CodePoints>> edges = explored(new Place(whole));
        Set<Place> productive = productive(edges);
        List<Place> places = new ArrayList<>(edges.keySet());
        places.removeIf(place -> !productive.contains(place));
        Map<Place, String> names = new HashMap<>();
        places.forEach(place -> names.put(place, names.isEmpty() ? name : name + "/" + names.size()));
        Map<String, Expression> rules = new LinkedHashMap<>();
        // Those that others need come first, so that one pass finds out which rules come to an end.
        for (Place place : places.reversed()) {
            List<Expression> alternatives = new ArrayList<>();
            edges.get(place).forEach((target, characters) -> {
                if (productive.contains(target)) {
                    alternatives.add(Expression.sequence(written.apply(characters), new Reference(names.get(target))));
                }
            });
            if (mayEnd(place)) {
                alternatives.add(Expression.EMPTY);
            }
            rules.put(names.get(place), Expression.choice(alternatives));
        }
        return rules;
    }

    /** From each place, by which characters a text gets to which others. */
    private Map<Place, Map<Place, CodePoints>> explored(Place start) {
        Map<Place, Map<Place, CodePoints>> edges = new LinkedHashMap<>();
        Deque<Place> open = new ArrayDeque<>(List.of(start));
        Set<Place> seen = new HashSet<>(open);
        while (!open.isEmpty()) {
            Place place = open.remove();
            Map<Place, List<CodePoints>> targets = new LinkedHashMap<>();
            for (CodePoints characters : alphabet) {
                Place target = after(place, characters.ranges()[0]);
                if (target != null) {
                    targets.computeIfAbsent(target, _ -> new ArrayList<>()).add(characters);
                    if (seen.add(target)) {
                        open.add(target);
                    }
                }
            }
            Map<Place, CodePoints> united = new LinkedHashMap<>();
            targets.forEach((target, sets) -> united.put(target, CodePoints.union(sets)));
            edges.put(place, united);
            if (seen.size() > MOST_RULES) {
                throw tooMany();
            }
        }
        return edges;
    }

    private static GrammarException tooMany() {
        return new GrammarException("would have to tell too many places in a string apart (the most is " + MOST_RULES
                + "): make it simpler or shorter");
    }

    /** All characters, in sets that no expression takes apart. */
    private static List<CodePoints> alphabet(List<Expression> expressions) {
        Set<CodePoints> sets = new LinkedHashSet<>();
        expressions.forEach(expression -> addSets(expression, sets));
        List<CodePoints> alphabet = List.of(CodePoints.ALL);
        for (CodePoints set : sets) {
            List<CodePoints> finer = new ArrayList<>();
            for (CodePoints letter : alphabet) {
                CodePoints in = letter.and(set);
                if (in.isEmpty() || in.equals(letter)) {
                    finer.add(letter);
                } else {
                    finer.add(in);
                    finer.add(letter.minus(set));
                }
            }
            alphabet = finer;
        }
        return alphabet;
    }

    private static void addSets(Expression expression, Set<CodePoints> sets) {
        switch (expression) {
            case Characters characters -> sets.add(characters.set());
            case Sequence sequence -> sequence.parts().forEach(part -> addSets(part, sets));
            case Choice choice -> choice.alternatives().forEach(alternative -> addSets(alternative, sets));
            case Repeat repeat -> addSets(repeat.body(), sets);
            case Reference reference -> throw new IllegalArgumentException(reference + " is no text of its own");
        }
    }

    /** Null if no text goes on. */
    private Place after(Place place, int character) {
        List<Set<Expression>> next = new ArrayList<>();
        for (Set<Expression> rests : place.rests()) {
            Set<Expression> following = new LinkedHashSet<>();
            rests.forEach(rest -> addRests(rest, character, Expression.EMPTY, following));
            if (following.isEmpty() && next.size() < taken.size()) {
                return null;
            }
            next.add(following);
        }
        return new Place(next);
    }

    /** Adds what may follow the character in the expression and what comes after that. */
    private void addRests(Expression expression, int character, Expression after, Set<Expression> rests) {
        if (++steps > MOST_STEPS) {
            throw tooMany();
        }
        switch (expression) {
            case Characters characters -> {
                if (characters.set().contains(character)) {
                    rests.add(after);
                }
            }
            case Sequence sequence -> {
                List<Expression> parts = sequence.parts();
                for (int i = 0; i < parts.size(); i++) {
                    Expression rest = joined(parts.subList(i + 1, parts.size()), after);
                    addRests(parts.get(i), character, rest, rests);
                    if (!mayBeEmpty(parts.get(i))) {
                        return;
                    }
                }
            }
            case Choice choice ->
                choice.alternatives().forEach(alternative -> addRests(alternative, character, after, rests));
            case Repeat repeat -> {
                if (repeat.most() > 0) {
                    int most = repeat.most() == Expression.UNBOUNDED ? repeat.most() : repeat.most() - 1;
                    Expression again = new Repeat(repeat.body(), Math.max(0, repeat.least() - 1), most);
                    addRests(repeat.body(), character, joined(List.of(again), after), rests);
                }
            }
            case Reference reference -> throw new IllegalArgumentException(reference + " is no text of its own");
        }
    }

    /** One sequence without sequences in it, so that equal ones are found to be equal. */
    private static Expression joined(List<Expression> parts, Expression after) {
        List<Expression> all = new ArrayList<>();
        for (Expression part : parts) {
            addParts(part, all);
        }
        addParts(after, all);
        return all.size() == 1 ? all.getFirst() : new Sequence(all);
    }

    private static void addParts(Expression part, List<Expression> all) {
        switch (part) {
            case Sequence sequence -> sequence.parts().forEach(inner -> addParts(inner, all));
            case Repeat repeat when repeat.most() == 0 -> {}
            default -> all.add(part);
        }
    }

    private static boolean mayBeEmpty(Expression expression) {
        return switch (expression) {
            case Characters _ -> false;
            case Sequence sequence -> sequence.parts().stream().allMatch(Intersection::mayBeEmpty);
            case Choice choice -> choice.alternatives().stream().anyMatch(Intersection::mayBeEmpty);
            case Repeat repeat -> repeat.least() == 0 || mayBeEmpty(repeat.body());
            case Reference reference -> throw new IllegalArgumentException(reference + " is no text of its own");
        };
    }

    private boolean mayEnd(Place place) {
        List<Set<Expression>> rests = place.rests();
        for (int i = 0; i < rests.size(); i++) {
            if (rests.get(i).stream().anyMatch(Intersection::mayBeEmpty) != i < taken.size()) {
                return false;
            }
        }
        return true;
    }

    /** Places from which a text can come to an end. */
    private Set<Place> productive(Map<Place, Map<Place, CodePoints>> edges) {
        Map<Place, List<Place>> sources = new HashMap<>();
        edges.forEach((from, targets) -> targets.keySet()
                .forEach(target ->
                        sources.computeIfAbsent(target, _ -> new ArrayList<>()).add(from)));
        Deque<Place> open = new ArrayDeque<>();
        edges.keySet().stream().filter(this::mayEnd).forEach(open::add);
        Set<Place> productive = new HashSet<>(open);
        while (!open.isEmpty()) {
            for (Place source : sources.getOrDefault(open.remove(), List.of())) {
                if (productive.add(source)) {
                    open.add(source);
                }
            }
        }
        return productive;
    }
}
