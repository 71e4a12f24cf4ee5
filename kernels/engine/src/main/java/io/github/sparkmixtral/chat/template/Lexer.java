package io.github.sparkmixtral.chat.template;

import io.github.sparkmixtral.chat.template.Token.Kind;
import java.math.BigInteger;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Cuts a template into tokens as jinja2's lexer does with {@code trim_blocks} and {@code lstrip_blocks}. */
final class Lexer {
    private static final Pattern FLOAT = Pattern.compile(
            "(?<!\\.)(?:\\d+_)*\\d+(?:(?:\\.(?:\\d+_)*\\d+)?[eE][+\\-]?(?:\\d+_)*\\d+|\\.(?:\\d+_)*\\d+)");
    private static final Pattern INTEGER =
            Pattern.compile("0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[0-9a-fA-F])+|[1-9](?:_?\\d)*|0(?:_?0)*");
    private static final Pattern NAME = Pattern.compile("[\\p{L}\\p{N}\\p{M}_]++");
    private static final List<String> OPERATORS = List.of(
            "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<",
            "=", ".", ":", "|", ",", ";");

    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private final Deque<String> open = new ArrayDeque<>();
    private int position;
    private boolean lineStarting = true;

    private Lexer(String source) {
        this.source = source;
    }

    /** All tokens, the last of which is {@code END}. */
    static List<Token> tokens(String template) {
        String source = template.replace("\r\n", "\n").replace('\r', '\n');
        Lexer lexer = new Lexer(source.endsWith("\n") ? source.substring(0, source.length() - 1) : source);
        lexer.readAll();
        return lexer.tokens;
    }

    private void readAll() {
        while (position < source.length()) {
            int begin = nextDelimiter(position);
            if (begin < 0) {
                data(source.substring(position));
                position = source.length();
                break;
            }
            char kind = source.charAt(begin + 1);
            char sign = begin + 2 < source.length() ? source.charAt(begin + 2) : ' ';
            String text = source.substring(position, begin);
            data(stripped(text, kind, sign));
            position = begin + 2;
            position += sign == '-' || sign == '+' ? 1 : 0;
            lineStarting = false;
            switch (kind) {
                case '#' -> comment();
                case '{' -> inside(Kind.VARIABLE_BEGIN, Kind.VARIABLE_END, "}}");
                default -> {
                    if (!raw()) {
                        inside(Kind.BLOCK_BEGIN, Kind.BLOCK_END, "%}");
                    }
                }
            }
        }
        add(Kind.END, "");
    }

    private int nextDelimiter(int from) {
        for (int i = source.indexOf('{', from); i >= 0 && i + 1 < source.length(); i = source.indexOf('{', i + 1)) {
            if ("{%#".indexOf(source.charAt(i + 1)) >= 0) {
                return i;
            }
        }
        return -1;
    }

    private String stripped(String text, char kind, char sign) {
        if (sign == '-') {
            return Text.ofValue(text).strip(null, false, true).value();
        }
        int line = text.lastIndexOf('\n') + 1;
        boolean strips = sign != '+' && kind != '{' && (line > 0 || lineStarting);
        return strips && text.substring(line).codePoints().allMatch(Text::isSpace) ? text.substring(0, line) : text;
    }

    private void data(String text) {
        if (!text.isEmpty()) {
            add(Kind.DATA, text);
        }
    }

    private void comment() {
        int end = source.indexOf("#}", position);
        if (end < 0) {
            throw fault("a comment has no end: '#}' is missing");
        }
        char sign = end > position ? source.charAt(end - 1) : ' ';
        // The sign of "{#-#}" is the beginning's.
        position = end + 2;
        afterBlock(sign);
    }

    /** What follows a block's or a comment's end: the first line break goes, or with a minus all white space. */
    private void afterBlock(char sign) {
        int before = position;
        if (sign == '-') {
            skipSpace();
        } else if (sign != '+' && position < source.length() && source.charAt(position) == '\n') {
            position++;
        }
        lineStarting = position > before && source.charAt(position - 1) == '\n';
    }

    private void skipSpace() {
        while (position < source.length() && Text.isSpace(source.charAt(position))) {
            position++;
        }
    }

    private static final Pattern RAW = Pattern.compile("\\s*raw\\s*(-?)%\\}");
    private static final Pattern END_RAW = Pattern.compile("\\{%([-+]?)\\s*endraw\\s*([-+]?)%\\}");

    private boolean raw() {
        Matcher begin = RAW.matcher(source).region(position, source.length());
        if (!begin.lookingAt()) {
            return false;
        }
        position = begin.end();
        if (begin.group(1).equals("-")) {
            skipSpace();
        }
        lineStarting = source.charAt(position - 1) == '\n';
        Matcher end = END_RAW.matcher(source);
        if (!end.find(position)) {
            throw fault("a raw block has no end: 'endraw' is missing");
        }
        String sign = end.group(1);
        data(stripped(source.substring(position, end.start()), '%', sign.isEmpty() ? ' ' : sign.charAt(0)));
        position = end.end();
        afterBlock(end.group(2).isEmpty() ? ' ' : end.group(2).charAt(0));
        return true;
    }

    private void inside(Kind begin, Kind end, String closing) {
        add(begin, closing);
        while (true) {
            skipSpace();
            if (position >= source.length()) {
                throw fault("'" + closing + "' is missing");
            }
            char sign = source.charAt(position);
            boolean signed = sign == '-' || sign == '+' && end == Kind.BLOCK_END;
            int at = signed ? position + 1 : position;
            if (open.isEmpty() && source.startsWith(closing, at)) {
                position = at + closing.length();
                add(end, closing);
                if (end == Kind.BLOCK_END) {
                    afterBlock(signed ? sign : ' ');
                } else if (signed) {
                    skipSpace();
                    lineStarting = source.charAt(position - 1) == '\n';
                }
                return;
            }
            token();
        }
    }

    private void token() {
        String number = match(FLOAT);
        if (number != null) {
            tokens.add(new Token(Kind.NUMBER, "", Double.valueOf(number.replace("_", "")), line()));
        } else if ((number = match(INTEGER)) != null) {
            tokens.add(new Token(Kind.NUMBER, "", integer(number.replace("_", "")), line()));
        } else if ((number = match(NAME)) != null) {
            if (!Character.isUnicodeIdentifierStart(number.codePointAt(0)) && number.charAt(0) != '_') {
                throw fault("'" + number + "' is no name");
            }
            add(Kind.NAME, number);
        } else if (source.charAt(position) == '\'' || source.charAt(position) == '"') {
            add(Kind.STRING, string());
        } else {
            operator();
        }
    }

    private String match(Pattern pattern) {
        Matcher matcher =
                pattern.matcher(source).region(position, source.length()).useTransparentBounds(true);
        if (!matcher.lookingAt()) {
            return null;
        }
        position = matcher.end();
        return matcher.group();
    }

    private BigInteger integer(String digits) {
        if (digits.length() > 1000) {
            throw fault("a number has more than 1000 digits");
        }
        int radix = digits.length() < 2
                ? 10
                : switch (digits.charAt(1)) {
                    case 'b', 'B' -> 2;
                    case 'o', 'O' -> 8;
                    case 'x', 'X' -> 16;
                    default -> 10;
                };
        return new BigInteger(radix == 10 ? digits : digits.substring(2), radix);
    }

    private String string() {
        char quote = source.charAt(position);
        int end = position + 1;
        while (end < source.length() && source.charAt(end) != quote) {
            end += source.charAt(end) == '\\' ? 2 : 1;
        }
        if (end >= source.length()) {
            throw fault("a string has no end");
        }
        String raw = source.substring(position + 1, end);
        position = end + 1;
        try {
            return StringLiteral.decode(raw);
        } catch (IllegalArgumentException invalid) {
            throw fault(invalid.getMessage());
        }
    }

    private void operator() {
        for (String operator : OPERATORS) {
            if (source.startsWith(operator, position)) {
                balance(operator);
                add(Kind.OPERATOR, operator);
                position += operator.length();
                return;
            }
        }
        throw fault("unexpected character '" + Character.toString(source.codePointAt(position)) + "'");
    }

    private void balance(String operator) {
        switch (operator) {
            case "(" -> open.push(")");
            case "[" -> open.push("]");
            case "{" -> open.push("}");
            case ")", "]", "}" -> {
                if (open.isEmpty() || !open.pop().equals(operator)) {
                    throw fault("unexpected '" + operator + "'");
                }
            }
            default -> {}
        }
    }

    private void add(Kind kind, String text) {
        tokens.add(new Token(kind, text, null, line()));
    }

    private int lineCounted;
    private int countedTo;

    private int line() {
        for (; countedTo < position; countedTo++) {
            lineCounted += source.charAt(countedTo) == '\n' ? 1 : 0;
        }
        return lineCounted + 1;
    }

    private TemplateException fault(String message) {
        return new TemplateException("line " + line() + " of the chat template: " + message);
    }
}
