package io.github.sparkmixtral.tokenizer;

/**
 * What a SentencePiece BPE model consists of, as GGUF metadata states it ({@code tokenizer.ggml.tokens}, {@code .scores},
 * {@code .token_type}, {@code .unknown_token_id}, {@code .bos_token_id}, {@code .eos_token_id}, {@code .add_space_prefix}).
 * The arrays are parallel, indexed by token id, and are not copied: do not change them afterwards.
 *
 * @param source the file, for error messages
 * @param pieces text of each token, with U+2581 for a space
 * @param scores merge priority of each token, the highest first
 * @param types kind of each token: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
 * @param unknownTokenId token of a character that is not in the vocabulary
 * @param bosTokenId beginning-of-sequence token
 * @param eosTokenId end-of-sequence token
 * @param addSpacePrefix whether a text is encoded as if a space stood before it
 */
public record Vocabulary(
        String source,
        String[] pieces,
        float[] scores,
        int[] types,
        int unknownTokenId,
        int bosTokenId,
        int eosTokenId,
        boolean addSpacePrefix) {}
