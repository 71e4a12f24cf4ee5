package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.engine.Engine;
import io.github.sparkmixtral.engine.Logits;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.engine.WantedLogits;
import io.github.sparkmixtral.grammar.Constraints;
import io.github.sparkmixtral.grammar.TokenTrie;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Steps of an engine that decodes rows, with and without a constraint: what the backend takes of a step, and what the rest. */
final class ConstrainedSteps {
    private static final int PROMPT = 16;
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private final Timed backend;
    private final Tokenizer tokenizer;
    private final TokenTrie trie;
    private final Constraints known;
    private final int rows;
    private final int newTokens;

    ConstrainedSteps(Backend backend, Tokenizer tokenizer, int rows, int newTokens) {
        this.backend = new Timed(backend);
        this.tokenizer = tokenizer;
        this.trie = new TokenTrie(backend.vocabularySize(), tokenizer.textBytes());
        this.known = new Constraints(trie);
        this.rows = rows;
        this.newTokens = newTokens;
    }

    /** Nanoseconds of processor time that this thread has had. */
    static long processorTime() {
        return THREADS.getCurrentThreadCpuTime();
    }

    /** What rows are held to. */
    enum Held {
        NOTHING("free"),
        ONE_KNOWN_SCHEMA("one schema, known"),
        ONE_NEW_SCHEMA("one schema, new"),
        NEW_SCHEMA_EACH("a new schema for each row");

        private final String text;

        Held(String text) {
            this.text = text;
        }

        @Override
        public String toString() {
            return text;
        }
    }

    /**
     * Averages of the steps of one round in which all rows decode.
     *
     * @param step milliseconds of a whole step, by the clock
     * @param host milliseconds of processor time of a step outside of the backend: scheduling, masks, sampling, text
     * @param tokens of all rows in a step
     */
    record Round(double step, double host, double tokens) {}

    /**
     * Decodes rows that stand at different places of a document.
     *
     * @param temperature 0 takes the likeliest token
     */
    Round run(Held held, double temperature) {
        Engine engine = new Engine(backend, tokenizer, List.of(tokenizer.eosTokenId()), 0);
        requests(held, temperature).forEach(engine::add);
        while (engine.generatedTokens() == 0) {
            engine.step();
        }
        backend.clear();
        long tokens = engine.generatedTokens();
        long clock = System.nanoTime();
        long processor = processorTime();
        int steps = 0;
        // A token that must come is taken together with the one before it, so rows do not all end at once.
        while (engine.running() == rows && steps < newTokens / 2) {
            engine.step();
            steps++;
        }
        if (steps == 0) {
            throw new IllegalStateException("no step in which all " + rows + " rows decode");
        }
        double host = processorTime() - processor - backend.processor;
        double step = System.nanoTime() - clock;
        tokens = engine.generatedTokens() - tokens;
        return new Round(step / steps / 1e6, host / steps / 1e6, (double) tokens / steps);
    }

    private List<Request> requests(Held held, double temperature) {
        SamplingParameters parameters = new SamplingParameters(
                newTokens, 0, temperature, 1.0, 0, 0.0, 1.0, 0.0, 0.0, 7L, List.of(), List.of(), 1, -1, true, Map.of());
        Constraints constraints = held == Held.ONE_KNOWN_SCHEMA ? known : new Constraints(trie);
        List<Request> requests = new ArrayList<>();
        for (int row = 0; row < rows; row++) {
            int[] prompt = Prompts.tokens(row, PROMPT, tokenizer.bosTokenId(), backend.vocabularySize());
            String id = "row " + row;
            int schema = held == Held.NEW_SCHEMA_EACH ? row : 0;
            String document = ConstraintExample.DOCUMENT.replace("title0", "title" + schema);
            // The last third is one string, which every row gets to.
            String begun = document.substring(0, document.length() * 2 / 3 * row / rows);
            requests.add(
                    held == Held.NOTHING
                            ? new Request(id, prompt, parameters, LeadingSpace.STRIP)
                            : new Request(
                                    id,
                                    id,
                                    prompt,
                                    parameters,
                                    begun.isEmpty() ? LeadingSpace.STRIP : LeadingSpace.KEEP,
                                    constraints.of(ConstraintExample.order(schema)),
                                    begun));
        }
        return requests;
    }

    /** Adds up the processor time that this thread spends in the backend. */
    private static final class Timed implements Backend {
        private final Backend backend;
        private long processor;

        Timed(Backend backend) {
            this.backend = backend;
        }

        void clear() {
            processor = 0;
        }

        @Override
        public float[] forward(Batch batch) {
            long start = processorTime();
            float[] logits = backend.forward(batch);
            processor += processorTime() - start;
            return logits;
        }

        @Override
        public Logits top(Batch batch, WantedLogits wanted) {
            long start = processorTime();
            Logits logits = backend.top(batch, wanted);
            processor += processorTime() - start;
            return logits;
        }

        @Override
        public String name() {
            return backend.name();
        }

        @Override
        public int vocabularySize() {
            return backend.vocabularySize();
        }

        @Override
        public int maxPositions() {
            return backend.maxPositions();
        }

        @Override
        public int blockSize() {
            return backend.blockSize();
        }

        @Override
        public int cacheBlocks() {
            return backend.cacheBlocks();
        }

        @Override
        public int maxBatchTokens() {
            return backend.maxBatchTokens();
        }

        @Override
        public int maxSequences() {
            return backend.maxSequences();
        }

        @Override
        public int hiddenSize() {
            return backend.hiddenSize();
        }

        @Override
        public float[] hidden() {
            return backend.hidden();
        }

        @Override
        public void close() {
            backend.close();
        }
    }
}
