package io.github.sparkmixtral.job.options;

/** How passages are found for a question ({@code --context-mode}). */
public enum ContextMode {
    /** By the words that they share, Lucene's BM25. */
    BM25,
    /** By the cosine of their embeddings. */
    VECTOR,
    /** By both, put together by reciprocal rank fusion. */
    HYBRID;

    /** Whether the question needs an embedding. */
    public boolean needsVectors() {
        return this != BM25;
    }

    /** Whether the question's words are looked up. */
    public boolean needsWords() {
        return this != VECTOR;
    }
}
