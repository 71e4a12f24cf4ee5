package io.github.sparkmixtral.model;

import java.util.List;

/**
 * The dimensions of one {@code MixtralForCausalLM}, as its file states them. All counts are positive; {@code heads} is a
 * multiple of {@code kvHeads}, {@code headDimension} is even and {@code expertsPerToken} is at most {@code experts}:
 * the constructor refuses anything else with a {@link ModelException} that names the field.
 *
 * @param hiddenSize width of the residual stream
 * @param intermediateSize inner width of one expert
 * @param layers number of decoder layers
 * @param heads number of query heads
 * @param kvHeads number of key and value heads (grouped-query attention)
 * @param headDimension width of one head; need not be {@code hiddenSize / heads}
 * @param experts experts per layer
 * @param expertsPerToken experts that the router picks for a token
 * @param vocabularySize rows of the embedding and of the head
 * @param maxPositions longest sequence, in tokens
 * @param ropeTheta base of the rotary frequencies
 * @param rmsNormEpsilon added to the mean square in RMSNorm
 * @param slidingWindow a token attends to itself and the {@code slidingWindow - 1} tokens before it; 0 means to all
 * @param ropeLayout which elements of a head rotate together
 * @param bosTokenId beginning-of-sequence token
 * @param eosTokenIds tokens that end a generation; at least one
 */
public record ModelConfig(
        int hiddenSize,
        int intermediateSize,
        int layers,
        int heads,
        int kvHeads,
        int headDimension,
        int experts,
        int expertsPerToken,
        int vocabularySize,
        int maxPositions,
        double ropeTheta,
        double rmsNormEpsilon,
        int slidingWindow,
        RopeLayout ropeLayout,
        int bosTokenId,
        List<Integer> eosTokenIds) {

    /** Which two elements of a head of dimension d form the i-th rotated pair, i in [0, d/2). */
    public enum RopeLayout {
        /** Elements i and i + d/2: the layout of Hugging Face checkpoints. */
        HALVES,
        /** Elements 2i and 2i + 1: the layout into which llama.cpp permutes the query and key rows. */
        NEIGHBOURS
    }

    public ModelConfig {
        eosTokenIds = List.copyOf(eosTokenIds);
    }
}
