package io.github.sparkmixtral.testkit;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Batch;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * A backend without a model: its logits are a function of a sequence's tokens as they lie in the cache. It writes tokens into slots
 * and reads them back through the block table, so that every mistake about blocks, slots or positions shows as a wrong answer.
 */
public final class FakeBackend implements Backend {

    /** Next-token logits of a history. */
    @FunctionalInterface
    public interface LanguageModel {
        /** Fills {@code logits[offset .. offset + vocabulary)}. */
        void logits(int[] history, float[] logits, int offset);
    }

    /** What a test varies. */
    public record Size(int maxSequences, int maxBatchTokens, int cacheBlocks, int maxPositions) {
        public static final Size AMPLE = new Size(64, 4096, 1024, 512);

        public Size withMaxSequences(int value) {
            return new Size(value, maxBatchTokens, cacheBlocks, maxPositions);
        }

        public Size withMaxBatchTokens(int value) {
            return new Size(maxSequences, value, cacheBlocks, maxPositions);
        }

        public Size withCacheBlocks(int value) {
            return new Size(maxSequences, maxBatchTokens, value, maxPositions);
        }
    }

    private static final int BLOCK_SIZE = BackendOptions.BLOCK_SIZE;
    private static final int EMPTY = -1;
    private static final int HIDDEN = 3;

    private final Size size;
    private final LanguageModel languageModel;
    private final int vocabularySize;
    private final int[] cachedTokens;
    private final int[] cachedPositions;
    private long computedTokens;
    private int largestBatch;
    private boolean closed;
    private float[] hidden = {};

    public FakeBackend(Size size) {
        this(size, FakeBackend::pseudoRandom);
    }

    public FakeBackend(Size size, LanguageModel languageModel) {
        this(size, languageModel, TinyTokenizer.SIZE);
    }

    /** @param vocabularySize of another tokenizer than {@link TinyTokenizer} */
    public FakeBackend(Size size, LanguageModel languageModel, int vocabularySize) {
        this.size = size;
        this.languageModel = languageModel;
        this.vocabularySize = vocabularySize;
        cachedTokens = new int[size.cacheBlocks() * BLOCK_SIZE];
        cachedPositions = new int[cachedTokens.length];
        Arrays.fill(cachedPositions, EMPTY);
    }

    /** Logits in [-3, 3) that depend on every token before, with the end of the sequence somewhat likelier than others. */
    public static void pseudoRandom(int[] history, float[] logits, int offset) {
        long hash = history.length;
        for (int token : history) {
            hash = new SplittableRandom(hash * 31 + token).nextLong();
        }
        SplittableRandom random = new SplittableRandom(hash);
        for (int id = 0; id < TinyTokenizer.SIZE; id++) {
            logits[offset + id] = (float) (random.nextDouble() * 6 - 3);
        }
        logits[offset + TinyTokenizer.EOS] += 0.2f;
    }

    /** A model that answers every prompt of {@code promptLength} tokens with these. */
    public static LanguageModel scripted(int promptLength, int... script) {
        return (history, logits, offset) -> {
            Arrays.fill(logits, offset, offset + TinyTokenizer.SIZE, 0);
            logits[offset + script[Math.min(history.length - promptLength, script.length - 1)]] = 10;
        };
    }

    @Override
    public String name() {
        return "fake";
    }

    @Override
    public int vocabularySize() {
        return vocabularySize;
    }

    @Override
    public int maxPositions() {
        return size.maxPositions();
    }

    @Override
    public int blockSize() {
        return BLOCK_SIZE;
    }

    @Override
    public int cacheBlocks() {
        return size.cacheBlocks();
    }

    @Override
    public int maxBatchTokens() {
        return size.maxBatchTokens();
    }

    @Override
    public int maxSequences() {
        return size.maxSequences();
    }

    public long computedTokens() {
        return computedTokens;
    }

    /** Most sequences that one step had. */
    public int largestBatch() {
        return largestBatch;
    }

    public boolean closed() {
        return closed;
    }

    @Override
    public float[] forward(Batch batch) {
        require(batch.tokens().length > 0, "an empty batch");
        require(batch.tokens().length <= size.maxBatchTokens(), "too many tokens: " + batch.tokens().length);
        require(batch.sequences() <= size.maxSequences(), "too many sequences: " + batch.sequences());
        computedTokens += batch.tokens().length;
        largestBatch = Math.max(largestBatch, batch.sequences());
        write(batch);
        float[] logits = new float[batch.logitRows().length * vocabularySize];
        int row = 0;
        for (int s = 0; s < batch.sequences(); s++) {
            require(batch.sequenceStarts()[s] < batch.sequenceStarts()[s + 1], "a sequence without tokens");
            for (int i = batch.sequenceStarts()[s]; i < batch.sequenceStarts()[s + 1]; i++) {
                if (row < batch.logitRows().length && batch.logitRows()[row] == i) {
                    languageModel.logits(history(batch, s, batch.positions()[i]), logits, row++ * vocabularySize);
                }
            }
        }
        require(row == batch.logitRows().length, "rows of logits that are not ascending");
        hidden = hidden(batch);
        return logits;
    }

    /** A hidden state is the token, the sum of the tokens up to it, and the position. */
    private float[] hidden(Batch batch) {
        float[] states = new float[batch.hiddenRows().length * HIDDEN];
        for (int i = 0; i < batch.hiddenRows().length; i++) {
            int row = batch.hiddenRows()[i];
            int sequence = 0;
            while (batch.sequenceStarts()[sequence + 1] <= row) {
                sequence++;
            }
            int[] history = history(batch, sequence, batch.positions()[row]);
            states[i * HIDDEN] = batch.tokens()[row];
            states[i * HIDDEN + 1] = Arrays.stream(history).sum();
            states[i * HIDDEN + 2] = batch.positions()[row];
        }
        return states;
    }

    @Override
    public int hiddenSize() {
        return HIDDEN;
    }

    @Override
    public float[] hidden() {
        return hidden;
    }

    private void write(Batch batch) {
        Set<Integer> slots = new HashSet<>();
        for (int i = 0; i < batch.tokens().length; i++) {
            int slot = batch.kvSlots()[i];
            require(slots.add(slot), "slot " + slot + " written twice in a step");
            cachedTokens[slot] = batch.tokens()[i];
            cachedPositions[slot] = batch.positions()[i];
        }
    }

    private int[] history(Batch batch, int sequence, int last) {
        int table = batch.blockTableStarts()[sequence];
        int[] history = new int[last + 1];
        for (int position = 0; position <= last; position++) {
            int block = batch.blockTables()[table + position / BLOCK_SIZE];
            int slot = block * BLOCK_SIZE + position % BLOCK_SIZE;
            require(table + position / BLOCK_SIZE < batch.blockTableStarts()[sequence + 1], "a table too short");
            require(cachedPositions[slot] == position, "slot " + slot + " does not hold position " + position);
            history[position] = cachedTokens[slot];
        }
        return history;
    }

    private static void require(boolean holds, String message) {
        if (!holds) {
            throw new AssertionError(message);
        }
    }

    @Override
    public void close() {
        closed = true;
    }
}
