package io.github.sparkmixtral.chat.template;

/** Python's escapes in string literals. */
final class StringLiteral {
    private StringLiteral() {}

    /**
     * What stands between the quotes, decoded.
     *
     * @throws IllegalArgumentException where an escape is broken
     */
    static String decode(String raw) {
        if (raw.indexOf('\\') < 0) {
            return raw;
        }
        StringBuilder decoded = new StringBuilder();
        for (int i = 0; i < raw.length(); ) {
            char c = raw.charAt(i++);
            if (c != '\\' || i == raw.length()) {
                decoded.append(c);
                continue;
            }
            char escape = raw.charAt(i++);
            switch (escape) {
                case '\n' -> {}
                case '\\', '\'', '"' -> decoded.append(escape);
                case 'n' -> decoded.append('\n');
                case 't' -> decoded.append('\t');
                case 'r' -> decoded.append('\r');
                case 'a' -> decoded.append('\u0007');
                case 'b' -> decoded.append('\b');
                case 'f' -> decoded.append('\f');
                case 'v' -> decoded.append('\u000b');
                case 'x' -> i = hex(raw, i, 2, decoded);
                case 'u' -> i = hex(raw, i, 4, decoded);
                case 'U' -> i = hex(raw, i, 8, decoded);
                case 'N' -> throw new IllegalArgumentException("the escape \\N{…} is not supported");
                case '0', '1', '2', '3', '4', '5', '6', '7' -> {
                    int end = i;
                    while (end < raw.length() && end < i + 2 && raw.charAt(end) >= '0' && raw.charAt(end) <= '7') {
                        end++;
                    }
                    decoded.append((char) Integer.parseInt(raw.substring(i - 1, end), 8));
                    i = end;
                }
                default -> decoded.append('\\').append(escape);
            }
        }
        return decoded.toString();
    }

    private static int hex(String raw, int from, int digits, StringBuilder decoded) {
        int to = from + digits;
        if (to > raw.length() || !raw.substring(from, to).matches("[0-9a-fA-F]+")) {
            throw new IllegalArgumentException("a string has a broken escape");
        }
        long character = Long.parseLong(raw.substring(from, to), 16);
        if (character > Character.MAX_CODE_POINT) {
            throw new IllegalArgumentException("a string has an escape beyond the last character");
        }
        decoded.appendCodePoint((int) character);
        return to;
    }
}
