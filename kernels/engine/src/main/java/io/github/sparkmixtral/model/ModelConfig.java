package io.github.sparkmixtral.model;

import io.github.sparkmixtral.file.ModelException;
import java.util.List;

/**
 * The dimensions of one {@code MixtralForCausalLM}, as its file states them. All counts are positive; {@code heads} is a
 * multiple of {@code kvHeads}, {@code headDimension} is even and {@code expertsPerToken} is at most {@code experts}:
 * the constructor refuses anything else, and sizes whose products overflow, with a {@link ModelException} that names the field.
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
        positive("hidden size", hiddenSize);
        positive("intermediate size", intermediateSize);
        positive("number of layers", layers);
        positive("number of heads", heads);
        positive("number of key/value heads", kvHeads);
        positive("head dimension", headDimension);
        positive("number of experts", experts);
        positive("number of experts per token", expertsPerToken);
        positive("vocabulary size", vocabularySize);
        positive("number of positions", maxPositions);
        require(heads % kvHeads == 0, "number of heads", heads, "a multiple of the " + kvHeads + " key/value heads");
        require(headDimension % 2 == 0, "head dimension", headDimension, "even");
        require(expertsPerToken <= experts, "number of experts per token", expertsPerToken, "at most " + experts);
        require(Double.isFinite(ropeTheta) && ropeTheta > 0, "rope theta", ropeTheta, "a positive number");
        require(
                Double.isFinite(rmsNormEpsilon) && rmsNormEpsilon >= 0,
                "RMSNorm epsilon",
                rmsNormEpsilon,
                "a number from 0");
        require(slidingWindow >= 0, "sliding window", slidingWindow, "a number of tokens from 0");
        require(bosTokenId >= 0 && bosTokenId < vocabularySize, "BOS token", bosTokenId, "below " + vocabularySize);
        require(!eosTokenIds.isEmpty(), "list of EOS tokens", eosTokenIds, "at least one token");
        for (int eos : eosTokenIds) {
            require(eos >= 0 && eos < vocabularySize, "EOS token", eos, "in [0, " + vocabularySize + ")");
        }
        addressable("queries of one token", Integer.MAX_VALUE, heads, headDimension);
        addressable("the gate and up rows of one expert", Integer.MAX_VALUE, 2, intermediateSize);
        // A weight takes up to 4 bytes.
        addressable("the embedding", Long.MAX_VALUE / 4, vocabularySize, hiddenSize);
        addressable("a query matrix", Long.MAX_VALUE / 4, heads, headDimension, hiddenSize);
        addressable("the matrices of a layer's experts", Long.MAX_VALUE / 4, experts, 2, intermediateSize, hiddenSize);
    }

    /** The same with these tokens that end a generation. */
    ModelConfig withEosTokenIds(List<Integer> other) {
        return new ModelConfig(
                hiddenSize,
                intermediateSize,
                layers,
                heads,
                kvHeads,
                headDimension,
                experts,
                expertsPerToken,
                vocabularySize,
                maxPositions,
                ropeTheta,
                rmsNormEpsilon,
                slidingWindow,
                ropeLayout,
                bosTokenId,
                other);
    }

    /** {@code [headDimension / 2]} radians per position of each rotated pair, rounded where Hugging Face transformers rounds them. */
    public float[] ropeFrequencies() {
        float[] frequencies = new float[headDimension / 2];
        for (int i = 0; i < frequencies.length; i++) {
            float exponent = (float) (2 * i) / headDimension;
            frequencies[i] = 1 / (float) StrictMath.pow(ropeTheta, exponent);
        }
        return frequencies;
    }

    private static void positive(String field, int value) {
        require(value > 0, field, value, "positive");
    }

    private static void require(boolean condition, String field, Object value, String rule) {
        if (!condition) {
            throw new ModelException("the %s is %s, but must be %s".formatted(field, value, rule));
        }
    }

    private static void addressable(String what, long most, int... sizes) {
        long product = 1;
        for (int size : sizes) {
            if (product > most / size) {
                throw new ModelException(
                        "%s would have more than %d elements, which is too large".formatted(what, most));
            }
            product *= size;
        }
    }
}
