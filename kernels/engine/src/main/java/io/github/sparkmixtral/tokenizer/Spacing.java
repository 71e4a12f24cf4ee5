package io.github.sparkmixtral.tokenizer;

/**
 * What happens to the spaces of a text before it is merged, by SentencePiece's normalizer (or the Hugging Face normalizers
 * {@code Prepend} and {@code Replace} that stand for it) or by Hugging Face's pre-tokenizer {@code Metaspace}. The two differ: the
 * normalizer puts its prefix before every text, {@code Metaspace} not before one that starts with a space.
 *
 * @param prefix when a space is put before the text
 * @param escape whether spaces become U+2581
 * @param removeExtra whether spaces at both ends go, and runs of them become one
 * @param splitWords whether nothing is merged across the beginning of a word, that is before any U+2581
 */
record Spacing(Prefix prefix, boolean escape, boolean removeExtra, boolean splitWords) {

    static final char ESCAPED_SPACE = '▁';

    enum Prefix {
        NONE,
        ALWAYS,
        METASPACE_NEVER,
        METASPACE_FIRST,
        METASPACE_ALWAYS
    }

    /** What is done before the text is searched for user-defined pieces. */
    String normalize(String text) {
        return switch (prefix) {
            case NONE -> escape(trim(text));
            case ALWAYS -> {
                String trimmed = trim(text);
                yield trimmed.isEmpty() ? trimmed : escape(" " + trimmed);
            }
            case METASPACE_NEVER, METASPACE_FIRST, METASPACE_ALWAYS -> text;
        };
    }

    /** What is done to the text between two user-defined pieces; {@code first} where it begins the whole text. */
    String preTokenize(String text, boolean first) {
        return switch (prefix) {
            case NONE, ALWAYS -> text;
            case METASPACE_NEVER -> escape(text);
            case METASPACE_FIRST -> first ? withMetaspace(escape(text)) : escape(text);
            case METASPACE_ALWAYS -> withMetaspace(escape(text));
        };
    }

    private static String withMetaspace(String text) {
        return text.isEmpty() || text.charAt(0) == ESCAPED_SPACE ? text : ESCAPED_SPACE + text;
    }

    private String escape(String text) {
        return escape ? text.replace(' ', ESCAPED_SPACE) : text;
    }

    private String trim(String text) {
        if (!removeExtra) {
            return text;
        }
        StringBuilder trimmed = new StringBuilder(text.length());
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean afterSpace = trimmed.isEmpty() || trimmed.charAt(trimmed.length() - 1) == ' ';
            if (c != ' ' || !afterSpace) {
                trimmed.append(c);
            }
        }
        int end = trimmed.length();
        while (end > 0 && isSpace(trimmed.charAt(end - 1))) {
            end--;
        }
        return trimmed.substring(0, end);
    }

    /** SentencePiece trims the end after it has escaped the spaces, and so trims a typed U+2581 too. */
    private boolean isSpace(char c) {
        return c == ' ' || escape && c == ESCAPED_SPACE;
    }
}
