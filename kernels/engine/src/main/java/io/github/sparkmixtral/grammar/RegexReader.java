package io.github.sparkmixtral.grammar;

import java.util.ArrayList;
import java.util.List;

/**
 * Reads a regular expression of ECMAScript's kind, as JSON Schema has it, as far as it says which texts there are: no look-around, no
 * references to groups, anchors only at the ends. Look-aheads at the beginning are read where they are asked for.
 */
final class RegexReader {
    private static final int MOST_REPETITIONS = 10_000;
    private static final CodePoints WORD = CodePoints.range('a', 'z')
            .plus(CodePoints.range('A', 'Z'))
            .plus(CodePoints.DIGITS)
            .plus(CodePoints.of('_'));
    private static final CodePoints LINE_ENDS = CodePoints.anyOf("\n\r\u2028\u2029");

    /** With the category Zs, which is written out because few expressions are worth a pass over all characters. */
    private static final CodePoints SPACE = CodePoints.anyOf("\t\u000B\f\uFEFF \u00A0\u1680\u202F\u205F\u3000")
            .plus(CodePoints.range(0x2000, 0x200A))
            .plus(LINE_ENDS);

    private final String regex;
    private final boolean search;
    private int at;
    private int depth;
    private boolean looksAhead;

    /**
     * What texts have to be.
     *
     * @param taken each takes the text
     * @param refused none takes the text
     */
    record Conditions(List<Expression> taken, List<Expression> refused) {}

    private RegexReader(String regex, boolean search) {
        this.regex = regex;
        this.search = search;
    }

    /** Texts that match as a whole. */
    static Expression whole(String regex) {
        return new RegexReader(regex, false).read();
    }

    /** Texts in which something matches. */
    static Expression anywhere(String regex) {
        return new RegexReader(regex, true).read();
    }

    /** Texts that match as a whole, by an expression that may begin with look-aheads. */
    static Conditions wholeAhead(String regex) {
        return new RegexReader(regex, false).conditions();
    }

    /** Texts in which something matches, by an expression that may have look-aheads behind a {@code ^} that it begins with. */
    static Conditions anywhereAhead(String regex) {
        return new RegexReader(regex, true).conditions();
    }

    private Conditions conditions() {
        List<Expression> taken = new ArrayList<>();
        List<Expression> refused = new ArrayList<>();
        if (take('^') || !search) {
            while (regex.startsWith("(?=", at) || regex.startsWith("(?!", at)) {
                (regex.charAt(at + 2) == '=' ? taken : refused).add(lookAhead());
            }
        }
        if (taken.isEmpty() && refused.isEmpty()) {
            at = 0;
            taken.add(read());
        } else {
            taken.add(anchored(false, search));
            if (peek('|')) {
                throw error(
                        "has an alternative to a look-ahead, which is not supported: put the alternatives into a group");
            }
            requireEnd();
        }
        return new Conditions(taken, refused);
    }

    private Expression lookAhead() {
        int from = at;
        at += 3;
        looksAhead = true;
        Expression ahead = alternatives(false, true);
        looksAhead = false;
        if (!take(')')) {
            at = from;
            throw error("has a ( without a )");
        }
        return ahead;
    }

    private Expression read() {
        Expression all = alternatives(search, search);
        requireEnd();
        return all;
    }

    private void requireEnd() {
        if (at < regex.length()) {
            throw error("has a ) without a (");
        }
    }

    private Expression alternatives(boolean openBefore, boolean openAfter) {
        List<Expression> alternatives = new ArrayList<>();
        do {
            alternatives.add(depth == 0 ? anchored(openBefore, openAfter) : sequence());
        } while (take('|'));
        return Expression.choice(alternatives);
    }

    /** An alternative with what may come before and after it, unless an anchor says otherwise. */
    private Expression anchored(boolean openBefore, boolean openAfter) {
        Expression rest = Expression.any(Expression.characters(CodePoints.ALL));
        Expression before = !take('^') && openBefore ? rest : Expression.EMPTY;
        Expression middle = sequence();
        Expression after = !take('$') && openAfter ? rest : Expression.EMPTY;
        return openBefore || openAfter ? Expression.sequence(before, middle, after) : middle;
    }

    private Expression sequence() {
        List<Expression> parts = new ArrayList<>();
        while (at < regex.length() && regex.charAt(at) != '|' && regex.charAt(at) != ')') {
            if (regex.charAt(at) == '$' && depth == 0 && isEndOfAlternative(at + 1)) {
                break;
            }
            parts.add(repeated(atom()));
        }
        return Expression.sequence(parts.toArray(Expression[]::new));
    }

    private boolean isEndOfAlternative(int index) {
        return index == regex.length() || regex.charAt(index) == '|' || looksAhead && regex.charAt(index) == ')';
    }

    private Expression repeated(Expression atom) {
        Expression result = atom;
        while (at < regex.length()) {
            int least;
            int most;
            if (take('*')) {
                least = 0;
                most = Expression.UNBOUNDED;
            } else if (take('+')) {
                least = 1;
                most = Expression.UNBOUNDED;
            } else if (take('?')) {
                least = 0;
                most = 1;
            } else if (regex.charAt(at) == '{') {
                int from = at++;
                least = number(from);
                most = take(',') ? (peek('}') ? Expression.UNBOUNDED : number(from)) : least;
                if (!take('}') || most < least) {
                    at = from;
                    throw error("has a wrong {");
                }
            } else {
                break;
            }
            // A lazy or possessive mark changes which match is found, not which texts there are.
            if (!take('?') && peek('+')) {
                throw error("has a possessive quantifier, which is not supported");
            }
            result = Expression.repeat(result, least, most);
        }
        return result;
    }

    private int number(int from) {
        int start = at;
        while (at < regex.length() && Character.isDigit(regex.charAt(at))) {
            at++;
        }
        if (start == at || at - start > 6) {
            at = from;
            throw error("has a wrong {");
        }
        int number = Integer.parseInt(regex.substring(start, at));
        if (number > MOST_REPETITIONS) {
            at = from;
            throw error("repeats something more than " + MOST_REPETITIONS + " times");
        }
        return number;
    }

    private Expression atom() {
        int from = at;
        int codePoint = next();
        return switch (codePoint) {
            case '(' -> group(from);
            case '[' -> Expression.characters(set(from));
            case '.' -> Expression.characters(LINE_ENDS.complement());
            case '\\' -> Expression.characters(escape(from, false));
            case '^', '$' -> {
                at = from;
                throw error("has an anchor in the middle, which is not supported");
            }
            case '*', '+', '?' -> {
                at = from;
                throw error("has nothing to repeat");
            }
            case '{' -> {
                at = from;
                throw error("has a { with nothing to repeat; write \\{ for the character");
            }
            default -> Expression.characters(CodePoints.of(codePoint));
        };
    }

    private Expression group(int from) {
        if (take('?') && !take(':')) {
            // A name matters only to what uses the match. Python writes a P before it.
            at += regex.startsWith("P<", at) ? 1 : 0;
            int end = regex.indexOf('>', at);
            if (!peek('<') || end < 0 || !regex.substring(at + 1, end).matches("\\w+")) {
                at = from;
                throw error("has a look-around or a flag, which is not supported");
            }
            at = end + 1;
        }
        if (++depth > 200) {
            throw error("has groups in groups too deep");
        }
        Expression inner = alternatives(false, false);
        depth--;
        if (!take(')')) {
            at = from;
            throw error("has a ( without a )");
        }
        return inner;
    }

    private CodePoints set(int from) {
        boolean negated = take('^');
        CodePoints set = CodePoints.NONE;
        while (!take(']')) {
            int start = at;
            CodePoints first = member(from);
            if (peek('-') && at + 1 < regex.length() && regex.charAt(at + 1) != ']') {
                at++;
                CodePoints last = member(from);
                if (!isOne(first) || !isOne(last) || last.ranges()[0] < first.ranges()[0]) {
                    at = start;
                    throw error("has a wrong range");
                }
                first = CodePoints.range(first.ranges()[0], last.ranges()[0]);
            }
            set = set.plus(first);
        }
        return negated ? set.complement() : set;
    }

    private static boolean isOne(CodePoints set) {
        return set.ranges().length == 2 && set.ranges()[0] == set.ranges()[1];
    }

    private CodePoints member(int from) {
        if (at == regex.length()) {
            at = from;
            throw error("has a [ without a ]");
        }
        int start = at;
        int codePoint = next();
        return codePoint == '\\' ? escape(start, true) : CodePoints.of(codePoint);
    }

    private CodePoints escape(int from, boolean inSet) {
        if (at == regex.length()) {
            at = from;
            throw error("ends with a backslash");
        }
        int codePoint = next();
        return switch (codePoint) {
            case 'd' -> CodePoints.DIGITS;
            case 'D' -> CodePoints.DIGITS.complement();
            case 'w' -> WORD;
            case 'W' -> WORD.complement();
            case 's' -> SPACE;
            case 'S' -> SPACE.complement();
            case 'n' -> CodePoints.of('\n');
            case 'r' -> CodePoints.of('\r');
            case 't' -> CodePoints.of('\t');
            case 'f' -> CodePoints.of('\f');
            case 'v' -> CodePoints.of(0x0B);
            case '0' -> CodePoints.of(0);
            case 'x' -> CodePoints.of(hex(from, 2));
            case 'u' -> CodePoints.of(unicode(from));
            case 'p' -> property(from);
            case 'P' -> property(from).complement();
            case 'b' -> {
                if (inSet) {
                    yield CodePoints.of('\b');
                }
                at = from;
                throw error("has \\b, which is not supported");
            }
            default -> {
                if (Character.isLetterOrDigit(codePoint)) {
                    at = from;
                    throw error("has \\" + Character.toString(codePoint) + ", which is not supported");
                }
                yield CodePoints.of(codePoint);
            }
        };
    }

    private int unicode(int from) {
        if (take('{')) {
            int end = regex.indexOf('}', at);
            int codePoint = end < 0 ? -1 : parsed(regex.substring(at, end));
            if (codePoint < 0 || codePoint > Character.MAX_CODE_POINT) {
                at = from;
                throw error("has a wrong \\u");
            }
            at = end + 1;
            return codePoint;
        }
        int unit = hex(from, 4);
        if (Character.isHighSurrogate((char) unit) && regex.startsWith("\\u", at)) {
            at += 2;
            int low = hex(from, 4);
            if (Character.isLowSurrogate((char) low)) {
                return Character.toCodePoint((char) unit, (char) low);
            }
        }
        if (Character.isSurrogate((char) unit)) {
            at = from;
            throw error("has half a character in \\u");
        }
        return unit;
    }

    private int hex(int from, int digits) {
        int value = at + digits <= regex.length() ? parsed(regex.substring(at, at + digits)) : -1;
        if (value < 0) {
            at = from;
            throw error("has a wrong \\x or \\u");
        }
        at += digits;
        return value;
    }

    private static int parsed(String hex) {
        return hex.matches("[0-9a-fA-F]{1,6}") ? Integer.parseInt(hex, 16) : -1;
    }

    private CodePoints property(int from) {
        int end = regex.indexOf('}', at);
        String name = peek('{') && end > 0 ? regex.substring(at + 1, end) : "";
        name = name.replaceFirst("^(gc|General_Category)=", "");
        CodePoints found = UnicodeCategories.named(name);
        if (found == null) {
            at = from;
            throw error("has a Unicode property other than the general categories, which is not supported");
        }
        at = end + 1;
        return found;
    }

    private boolean peek(char wanted) {
        return at < regex.length() && regex.charAt(at) == wanted;
    }

    private boolean take(char wanted) {
        boolean there = peek(wanted);
        at += there ? 1 : 0;
        return there;
    }

    private int next() {
        int codePoint = regex.codePointAt(at);
        at += Character.charCount(codePoint);
        if (codePoint >= Character.MIN_SURROGATE && codePoint <= Character.MAX_SURROGATE) {
            throw error("has half a character");
        }
        return codePoint;
    }

    private GrammarException error(String what) {
        return new GrammarException("the regular expression " + what + ", at character " + (at + 1) + " of " + regex);
    }
}
