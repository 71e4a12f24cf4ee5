package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.engine.AllLogits;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.engine.Logits;
import io.github.sparkmixtral.engine.TopLogits;
import io.github.sparkmixtral.engine.WantedLogits;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Weights;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

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
        int[][] tokens = {prompt(0, length)};
        long start = System.nanoTime();
        best(likeliest(batch(tokens, 0, blocks(length), 0)), 0);
        return (System.nanoTime() - start) / 1e9;
    }

    /**
     * Seconds per step of greedy decoding that many sequences together, each after a prompt of its own: the prompts are taken in
     * once, and the same steps after them run in each round.
     */
    List<Double> decode(int sequences, int context, int steps, int rounds) {
        int blocks = blocks(context + steps);
        int[] first = intake(sequences, context, blocks);
        List<Double> seconds = new ArrayList<>();
        for (int round = 0; round < rounds; round++) {
            int[] next = first.clone();
            long start = System.nanoTime();
            for (int step = 0; step < steps; step++) {
                int[][] one =
                        IntStream.of(next).mapToObj(token -> new int[] {token}).toArray(int[][]::new);
                Logits logits = likeliest(batch(one, context + step, blocks, 0));
                for (int sequence = 0; sequence < sequences; sequence++) {
                    next[sequence] = best(logits, sequence);
                }
            }
            seconds.add((System.nanoTime() - start) / 1e9 / steps);
        }
        return seconds;
    }

    /** Takes in a prompt for each sequence, as many tokens in a step as the backend allows; the likeliest token after each. */
    private int[] intake(int sequences, int context, int blocks) {
        int[] next = new int[sequences];
        int together = Math.max(1, backend.maxBatchTokens() / context);
        int piece = Math.min(context, backend.maxBatchTokens());
        for (int from = 0; from < sequences; from += together) {
            int to = Math.min(from + together, sequences);
            int[][] prompts = IntStream.range(from, to)
                    .mapToObj(sequence -> prompt(sequence, context))
                    .toArray(int[][]::new);
            for (int position = 0; position < context; position += piece) {
                int at = position;
                int end = Math.min(position + piece, context);
                int[][] part = Stream.of(prompts)
                        .map(prompt -> Arrays.copyOfRange(prompt, at, end))
                        .toArray(int[][]::new);
                Logits logits = likeliest(batch(part, position, blocks, from));
                for (int i = 0; i < part.length; i++) {
                    next[from + i] = best(logits, i);
                }
            }
        }
        return next;
    }

    private int[] prompt(int number, int length) {
        return Prompts.tokens(number, length, config.bosTokenId(), config.vocabularySize());
    }

    /**
     * Floating-point operations of the matrix products of a step: two for each weight that a token meets in attention, router
     * and the experts that it goes to, and in the head for rows whose logits are wanted; for others, the last layer's keys and values are
     * all that is needed of it. Attention scores are left out.
     */
    double operations(int tokens, int logitRows) {
        double products = (double) logitRows * weights.head().elements();
        for (int i = 0; i < weights.layers().size(); i++) {
            Weights.Layer layer = weights.layers().get(i);
            Weights.Expert expert = layer.experts().getFirst();
            double keysAndValues = layer.key().elements() + layer.value().elements();
            double rest = layer.query().elements()
                    + layer.output().elements()
                    + layer.router().elements()
                    + config.expertsPerToken()
                            * (double) (expert.gate().elements()
                                    + expert.up().elements()
                                    + expert.down().elements());
            boolean last = i == weights.layers().size() - 1;
            products += tokens * keysAndValues + (last ? logitRows : tokens) * rest;
        }
        return 2 * products;
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

    private Logits likeliest(Batch batch) {
        return backend.top(batch, WantedLogits.best(1, batch.logitRows().length));
    }

    private int best(Logits logits, int row) {
        return switch (logits.best()) {
            case TopLogits top -> top.tokens()[row * top.count()];
            case null ->
                highest(((AllLogits) logits).values(), row * config.vocabularySize()) - row * config.vocabularySize();
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
