package io.github.sparkmixtral.grammar;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads grammars as llama.cpp and vLLM take them: {@code name ::= alternatives}, with texts in quotes, sets in brackets, {@code .},
 * groups, {@code * + ? {m,n}} and comments after {@code #}. The first rule is called {@code root}. A rule ends with its line, unless
 * a group is open or the next line begins with {@code |}.
 */
final class GbnfReader {
    private static final String ROOT = "root";
    private static final int MOST_RULES = 5_000;
    private static final int MOST_REPETITIONS = 10_000;
    private static final int DEEPEST = 200;

    private final String text;
    private final Map<String, Expression> rules = new LinkedHashMap<>();
    private int at;
    private int depth;

    private GbnfReader(String text) {
        this.text = text;
    }

    static Grammar read(String text) {
        GbnfReader reader = new GbnfReader(text);
        reader.readRules();
        return Grammar.of(ROOT, reader.rules);
    }

    private void readRules() {
        skip(true);
        while (at < text.length()) {
            int start = at;
            String name = name();
            skip(false);
            if (name.isEmpty() || !text.startsWith("::=", at)) {
                at = start;
                throw error("wants a rule, name ::= ..., and finds " + found());
            }
            at += 3;
            skip(true);
            if (rules.put(name, alternatives()) != null) {
                at = start;
                throw error("has a second rule '" + name + "'");
            }
            if (rules.size() > MOST_RULES) {
                throw error("has more than " + MOST_RULES + " rules");
            }
            if (at < text.length() && text.charAt(at) != '\n' && text.charAt(at) != '\r') {
                throw error("cannot be read on from " + found());
            }
            skip(true);
        }
    }

    private String name() {
        int start = at;
        while (at < text.length()
                && (Character.isLetterOrDigit(text.charAt(at)) || "-_".indexOf(text.charAt(at)) >= 0)) {
            at++;
        }
        return text.substring(start, at);
    }

    private Expression alternatives() {
        List<Expression> alternatives = new ArrayList<>();
        alternatives.add(sequence());
        while (continues()) {
            at++;
            skip(true);
            alternatives.add(sequence());
        }
        return Expression.choice(alternatives);
    }

    /** Whether another alternative follows; it may do so on the next line. */
    private boolean continues() {
        int start = at;
        skip(true);
        if (at < text.length() && text.charAt(at) == '|') {
            return true;
        }
        if (depth == 0) {
            at = start;
        }
        return false;
    }

    private Expression sequence() {
        List<Expression> parts = new ArrayList<>();
        skip(depth > 0);
        while (at < text.length() && "|)\n\r".indexOf(text.charAt(at)) < 0) {
            parts.add(repeated(element()));
            skip(depth > 0);
        }
        return Expression.sequence(parts.toArray(Expression[]::new));
    }

    private Expression element() {
        int start = at;
        int codePoint = text.codePointAt(at);
        switch (codePoint) {
            case '"' -> {
                at++;
                StringBuilder literal = new StringBuilder();
                while (!take('"', start)) {
                    literal.appendCodePoint(character(start));
                }
                return Expression.text(literal.toString());
            }
            case '[' -> {
                at++;
                return set(start);
            }
            case '.' -> {
                at++;
                return Expression.characters(CodePoints.ALL);
            }
            case '(' -> {
                return group(start);
            }
            default -> {
                String name = name();
                if (name.isEmpty()) {
                    throw error("cannot be read on from " + found());
                }
                return new Expression.Reference(name);
            }
        }
    }

    private Expression group(int start) {
        at++;
        if (++depth > DEEPEST) {
            throw error("has groups in groups too deep");
        }
        Expression inner = alternatives();
        if (at == text.length() || text.charAt(at) != ')') {
            at = start;
            throw error("has a ( without a )");
        }
        at++;
        depth--;
        return inner;
    }

    private Expression set(int start) {
        boolean negated = text.startsWith("^", at);
        at += negated ? 1 : 0;
        CodePoints set = CodePoints.NONE;
        while (!take(']', start)) {
            int first = character(start);
            int last = first;
            if (text.startsWith("-", at) && !text.startsWith("-]", at)) {
                at++;
                last = character(start);
            }
            if (last < first) {
                at = start;
                throw error("has a range that ends before it begins");
            }
            set = set.plus(CodePoints.range(first, last));
        }
        return Expression.characters(negated ? set.complement() : set);
    }

    private boolean take(char end, int start) {
        if (at == text.length()) {
            at = start;
            throw error("has a " + text.charAt(start) + " without its end");
        }
        boolean there = text.charAt(at) == end;
        at += there ? 1 : 0;
        return there;
    }

    private int character(int start) {
        int codePoint = text.codePointAt(at);
        at += Character.charCount(codePoint);
        if (codePoint != '\\') {
            return codePoint;
        }
        if (at == text.length()) {
            at = start;
            throw error("ends with a backslash");
        }
        char escaped = text.charAt(at++);
        return switch (escaped) {
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'x' -> hex(2);
            case 'u' -> hex(4);
            case 'U' -> hex(8);
            default -> {
                if (Character.isLetterOrDigit(escaped)) {
                    at--;
                    throw error("has the unknown escape \\" + escaped);
                }
                yield escaped;
            }
        };
    }

    private int hex(int digits) {
        String hex = text.substring(at, Math.min(at + digits, text.length()));
        if (!hex.matches("[0-9a-fA-F]{" + digits + "}") || Long.parseLong(hex, 16) > Character.MAX_CODE_POINT) {
            throw error("wants " + digits + " hexadecimal digits of a character");
        }
        at += digits;
        return Integer.parseInt(hex, 16);
    }

    private Expression repeated(Expression element) {
        Expression result = element;
        while (isRepeated()) {
            char mark = text.charAt(at);
            int start = at++;
            int least = mark == '+' ? 1 : 0;
            int most = mark == '?' ? 1 : Expression.UNBOUNDED;
            if (mark == '{') {
                skip(false);
                least = number();
                most = least;
                skip(false);
                if (text.startsWith(",", at)) {
                    at++;
                    skip(false);
                    most = text.startsWith("}", at) ? Expression.UNBOUNDED : number();
                    skip(false);
                }
                if (!text.startsWith("}", at) || most < least) {
                    at = start;
                    throw error("has a wrong {");
                }
                at++;
            }
            result = Expression.repeat(result, least, most);
        }
        return result;
    }

    /** Whether a mark of repetition follows; there may be space before it. */
    private boolean isRepeated() {
        int start = at;
        skip(depth > 0);
        boolean repeated = at < text.length() && "*+?{".indexOf(text.charAt(at)) >= 0;
        at = repeated ? at : start;
        return repeated;
    }

    private int number() {
        int start = at;
        while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
            at++;
        }
        if (start == at || at - start > 6 || Integer.parseInt(text.substring(start, at)) > MOST_REPETITIONS) {
            at = start;
            throw error("wants a number of at most " + MOST_REPETITIONS);
        }
        return Integer.parseInt(text.substring(start, at));
    }

    private void skip(boolean lines) {
        while (at < text.length()) {
            char next = text.charAt(at);
            if (next == '#') {
                while (at < text.length() && text.charAt(at) != '\n') {
                    at++;
                }
            } else if (next == ' ' || next == '\t' || lines && (next == '\n' || next == '\r')) {
                at++;
            } else {
                return;
            }
        }
    }

    private String found() {
        return at == text.length()
                ? "the end"
                : "'" + text.lines().skip(line() - 1L).findFirst().orElse("").strip() + "'";
    }

    private int line() {
        return (int) text.substring(0, at)
                        .chars()
                        .filter(character -> character == '\n')
                        .count()
                + 1;
    }

    private GrammarException error(String what) {
        return new GrammarException("the grammar " + what + ", in line " + line());
    }
}
