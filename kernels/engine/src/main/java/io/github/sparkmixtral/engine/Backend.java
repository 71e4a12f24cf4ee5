package io.github.sparkmixtral.engine;

/**
 * One copy of the weights and one key/value cache. Used by one thread at a time.
 *
 * <p>The cache has {@link #cacheBlocks()} blocks of {@link #blockSize()} tokens, the same for every layer. Who owns which block
 * is the scheduler's affair: a backend only reads and writes where the {@link Batch} says.
 */
public interface Backend extends AutoCloseable {

    /** Name for logs and the manifest: {@code cpu}, {@code tornado}. */
    String name();

    /** Rows of the head, and so the width of a row of logits. */
    int vocabularySize();

    /** Longest sequence that the model takes, in tokens. */
    int maxPositions();

    /** Tokens per cache block. */
    int blockSize();

    /** Blocks in the cache. */
    int cacheBlocks();

    /** Most tokens that one step takes. */
    int maxBatchTokens();

    /** Most sequences that one step takes. */
    int maxSequences();

    /**
     * Runs one step.
     *
     * @return {@code [batch.logitRows().length, vocabularySize]}, row-major, valid until the next call. The array may be longer.
     */
    float[] forward(Batch batch);

    /**
     * Runs one step of which only the best logits of most wanted rows are needed. A backend that finds those faster than its caller, or
     * whose logits lie elsewhere than in this process's memory, overrides this.
     *
     * @return the best logits of every row, and all logits at least of those rows that are wanted whole, or all of every row; valid until
     *     the next call. The same step gives the same logits here as in {@link #forward}.
     */
    default Logits top(Batch batch, WantedLogits wanted) {
        return new AllLogits(vocabularySize(), forward(batch));
    }

    /** Width of a hidden state. */
    int hiddenSize();

    /**
     * The hidden states that the last step was asked for, as they come out of the model's final norm.
     *
     * @return {@code [batch.hiddenRows().length, hiddenSize]} of the batch that ran last, row-major, valid until the next step. The
     *     array may be longer.
     */
    float[] hidden();

    /**
     * How many tokens each expert has had so far. Any thread may ask.
     *
     * @return {@code [layers, experts]}; empty for a backend that does not count
     */
    default long[][] expertTokens() {
        return new long[0][];
    }

    @Override
    void close();
}
