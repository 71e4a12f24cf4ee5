package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.engine.Activations;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.memory.MemoryLimit;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Shows which experts a model's routers choose, token by token. It runs texts through a CPU backend of its own, one at a time, with inputs in
 * floats: an engine that rounds otherwise may now and then choose another expert where two are almost equally likely. Used by one thread at a
 * time.
 */
public final class RouterTrace implements AutoCloseable {
    private final ModelConfig config;
    private final int longest;
    private final CpuBackend backend;

    /**
     * What the routers choose for one text.
     *
     * @param experts {@code [layers, tokens, expertsPerToken]} the chosen experts, the one with the largest weight first
     * @param weights {@code [layers, tokens, expertsPerToken]} what their outputs are multiplied by; a token's sum is 1
     */
    public record Choices(int[][][] experts, float[][][] weights) {}

    /**
     * Opens a backend over the model's weights, which takes as much memory as an engine's. The model must outlive it.
     *
     * @param longest most tokens of a text; at most the model's {@code maxPositions}
     * @param threads worker threads; 0 for one for each processor
     * @throws io.github.sparkmixtral.file.ModelException if the weights do not fit into memory
     */
    public RouterTrace(Model model, int longest, int threads, MemoryLimit memoryLimit) {
        this.config = model.config();
        this.longest = longest;
        long cache = Math.ceilDiv(longest, KeyValueCache.BLOCK) * KeyValueCache.blockBytes(config);
        BackendOptions options = new BackendOptions(
                1,
                Math.min(longest, CpuBackend.CHUNK_TOKENS),
                cache,
                threads,
                0,
                BackendOptions.ANY_DEVICES,
                Activations.F32,
                memoryLimit);
        backend = (CpuBackend) new CpuBackendProvider().open(model, options);
    }

    /**
     * Runs a text through the model.
     *
     * @param tokens {@code [tokens]} ids, with BOS if the model is to see one
     * @throws IllegalArgumentException if there is no token, or there are too many, or one is none of the vocabulary
     */
    public Choices trace(int... tokens) {
        if (tokens.length < 1 || tokens.length > longest) {
            throw new IllegalArgumentException(
                    "the text has " + tokens.length + " tokens, but must have 1 to " + longest);
        }
        int[][][] experts = new int[config.layers()][tokens.length][config.expertsPerToken()];
        float[][][] weights = new float[config.layers()][tokens.length][config.expertsPerToken()];
        int step = backend.maxBatchTokens();
        for (int from = 0; from < tokens.length; from += step) {
            int first = from;
            backend.observe((layer, rows, routing) -> {
                for (int row = 0; row < rows; row++) {
                    for (int choice = 0; choice < config.expertsPerToken(); choice++) {
                        experts[layer][first + row][choice] = routing.expert(row, choice);
                        weights[layer][first + row][choice] = routing.weight(row, choice);
                    }
                }
            });
            backend.forward(step(tokens, from, Math.min(from + step, tokens.length)));
        }
        return new Choices(experts, weights);
    }

    /** All last hidden states are wanted, since the last layer routes no other token. */
    private static Batch step(int[] tokens, int from, int to) {
        int[] positions = IntStream.range(from, to).toArray();
        int[] rows = IntStream.range(0, to - from).toArray();
        int[] blocks = IntStream.range(0, Math.ceilDiv(to, KeyValueCache.BLOCK)).toArray();
        return new Batch(
                Arrays.copyOfRange(tokens, from, to),
                positions,
                positions,
                new int[] {0, rows.length},
                blocks,
                new int[] {0, blocks.length},
                new int[0],
                rows);
    }

    @Override
    public void close() {
        backend.close();
    }
}
