package io.github.sparkmixtral.bench;

/** Prompts as token ids from a formula, so that every engine can be given the same ones and no tokenizer is measured. */
final class Prompts {

    /** The first token of a SentencePiece vocabulary that is neither a control token nor a byte. */
    private static final int FIRST_PIECE = 259;

    private Prompts() {}

    /**
     * Token {@code i > 0} of prompt {@code p} is {@code first + (7919 i + 104729 p + 12345) mod (vocabulary - first)}, with
     * {@code first = 259}, or 0 for a vocabulary that is not larger.
     *
     * @param bos the first token
     */
    static int[] tokens(int prompt, int length, int bos, int vocabulary) {
        return withPrefix(prompt, length, 0, bos, vocabulary);
    }

    /** As {@link #tokens}, but the first {@code shared} tokens are those of prompt 0. */
    static int[] withPrefix(int prompt, int length, int shared, int bos, int vocabulary) {
        int first = vocabulary > FIRST_PIECE ? FIRST_PIECE : 0;
        int[] tokens = new int[length];
        for (int i = 0; i < length; i++) {
            long number = i * 7919L + (i < shared ? 0 : prompt * 104729L) + 12345;
            tokens[i] = i == 0 ? bos : first + (int) (number % (vocabulary - first));
        }
        return tokens;
    }
}
