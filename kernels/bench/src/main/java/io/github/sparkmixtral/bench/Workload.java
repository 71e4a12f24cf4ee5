package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.engine.AllLogits;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.engine.Logits;
import io.github.sparkmixtral.engine.TopLogits;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Weights;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;

/** Runs prompts and decoding steps straight on a backend, and counts what they must read. */
final class Workload {

    private final Backend backend;
    private final ModelConfig config;
    private final Weights weights;

    Workload(Backend backend, Model model) {
        this.backend = backend;
        this.config = model.config();
        this.weights = model.weights();
    }

    /** Seconds that a prompt of that length takes up to its first token. */
    double prefill(int length) {
        int[] tokens =
                new Random(length).ints(length, 0, config.vocabularySize()).toArray();
        long start = System.nanoTime();
        best(backend.top(batch(new int[][] {tokens}, 0, blocks(length)), 1), 0);
        return (System.nanoTime() - start) / 1e9;
    }

    /** Seconds per step of greedy decoding that many sequences together, each after a prompt of its own. */
    double decode(int sequences, int context, int steps) {
        int blocks = blocks(context + steps);
        int[][] tokens = new int[sequences][];
        for (int sequence = 0; sequence < sequences; sequence++) {
            tokens[sequence] = new Random(sequence)
                    .ints(context, 0, config.vocabularySize())
                    .toArray();
        }
        int[] next = new int[sequences];
        int together = Math.max(1, backend.maxBatchTokens() / context);
        if (context > backend.maxBatchTokens()) {
            throw new IllegalArgumentException("--context " + context + " is longer than the longest --prefill");
        }
        for (int from = 0; from < sequences; from += together) {
            int[][] part = Arrays.copyOfRange(tokens, from, Math.min(from + together, sequences));
            Logits logits = backend.top(batch(part, 0, blocks, from), 1);
            for (int i = 0; i < part.length; i++) {
                next[from + i] = best(logits, i);
            }
        }
        long start = System.nanoTime();
        for (int step = 0; step < steps; step++) {
            int[][] one = new int[sequences][];
            for (int sequence = 0; sequence < sequences; sequence++) {
                one[sequence] = new int[] {next[sequence]};
            }
            Logits logits = backend.top(batch(one, context + step, blocks), 1);
            for (int sequence = 0; sequence < sequences; sequence++) {
                next[sequence] = best(logits, sequence);
            }
        }
        return (System.nanoTime() - start) / 1e9 / steps;
    }

    /**
     * Bytes of weights that a step of that many tokens must read at least: attention and head whole, and of the experts those
     * that some token goes to, where the router spreads tokens evenly.
     */
    double bytesRead(int tokens) {
        double untouched = Math.pow(1 - (double) config.expertsPerToken() / config.experts(), tokens);
        double bytes = weights.head().data().byteSize();
        for (Weights.Layer layer : weights.layers()) {
            bytes += SyntheticModel.attentionBytes(layer);
            for (Weights.Expert expert : layer.experts()) {
                bytes += (1 - untouched) * SyntheticModel.expertBytes(expert);
            }
        }
        return bytes;
    }

    private int best(Logits logits, int row) {
        return switch (logits) {
            case TopLogits top -> top.tokens()[row * top.count()];
            case AllLogits all -> highest(all.values(), row * config.vocabularySize()) - row * config.vocabularySize();
        };
    }

    private int highest(float[] logits, int from) {
        int best = from;
        for (int i = from; i < from + config.vocabularySize(); i++) {
            best = logits[i] > logits[best] ? i : best;
        }
        return best;
    }

    private int blocks(int tokens) {
        return Math.ceilDiv(tokens, backend.blockSize());
    }

    private Batch batch(int[][] tokens, int position, int blocks) {
        return batch(tokens, position, blocks, 0);
    }

    /** The next tokens of sequences {@code first} on, each with {@code blocks} blocks of its own; the last one's logits are wanted. */
    private Batch batch(int[][] tokens, int position, int blocks, int first) {
        int sequences = tokens.length;
        int length = tokens[0].length;
        int count = sequences * length;
        int[] flat = new int[count];
        int[] positions = new int[count];
        int[] slots = new int[count];
        for (int i = 0; i < count; i++) {
            int sequence = i / length;
            flat[i] = tokens[sequence][i % length];
            positions[i] = position + i % length;
            slots[i] = (first + sequence) * blocks * backend.blockSize() + positions[i];
        }
        return new Batch(
                flat,
                positions,
                slots,
                IntStream.rangeClosed(0, sequences).map(i -> i * length).toArray(),
                IntStream.range(first * blocks, (first + sequences) * blocks).toArray(),
                IntStream.rangeClosed(0, sequences).map(i -> i * blocks).toArray(),
                IntStream.rangeClosed(1, sequences).map(i -> i * length - 1).toArray());
    }
}
