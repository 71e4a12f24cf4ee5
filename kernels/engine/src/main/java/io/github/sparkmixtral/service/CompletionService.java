package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.model.ModelDescription;
import org.apache.arrow.vector.VectorSchemaRoot;

/**
 * One engine for many tasks: owns the engine thread and a bounded queue of requests that feeds it, so that the tail of one
 * task's rows overlaps the head of the next one's. Thread-safe.
 *
 * <p>If the engine thread dies (the backend throws, memory runs out), the next call of every session throws an
 * {@link IllegalStateException} with that cause; nothing hangs.
 */
public final class CompletionService implements AutoCloseable {

    private CompletionService() {}

    /**
     * Starts the engine thread. The service closes the backend; the model behind it stays the caller's, and must be closed
     * only after the service.
     *
     * @throws IllegalArgumentException where the options do not fit the model, saying which
     */
    public static CompletionService start(ModelDescription model, Backend backend, ServiceOptions options) {
        throw new UnsupportedOperationException();
    }

    /** Opens a session: one task's rows. Any number may be open at once. */
    public Session open() {
        throw new UnsupportedOperationException();
    }

    /** Longest sequence, prompt and answer together, in tokens. */
    public int maxModelLength() {
        throw new UnsupportedOperationException();
    }

    /** What has been done so far; at most one engine step old. */
    public Counters counters() {
        throw new UnsupportedOperationException();
    }

    /** Ends the engine thread, waits for it, and closes the backend. Open sessions' next calls throw. */
    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }

    /**
     * The rows of one task. One thread submits and reads, or one thread each. Completions that nobody reads pile up: read
     * while you submit, and keep {@link #outstanding} within what you want to hold in memory.
     */
    public final class Session implements AutoCloseable {

        private Session() {}

        /**
         * Takes every row of a batch of {@link RecordSchema#REQUESTS}, copying what it needs; columns other than
         * {@code custom_id} may be missing. Tokenizes on the calling thread, and blocks while the queue is full. A row that
         * cannot become a request is answered with an error.
         *
         * @throws IllegalArgumentException where a column is missing or of the wrong type, or a custom_id is null
         * @throws InterruptedException some rows of the batch may have been taken; close the session
         */
        public void submit(VectorSchemaRoot requests) throws InterruptedException {
            throw new UnsupportedOperationException();
        }

        /**
         * Waits until a row is answered, then fills {@code completions}, a batch of {@link RecordSchema#COMPLETIONS} whose
         * former content is dropped, with up to {@code maxRows} answered rows, in the order in which they were answered.
         *
         * @return rows written; 0 only when no row is outstanding
         */
        public int read(VectorSchemaRoot completions, int maxRows) throws InterruptedException {
            throw new UnsupportedOperationException();
        }

        /** As {@link #read}, without waiting: 0 also when no row is answered yet. */
        public int poll(VectorSchemaRoot completions, int maxRows) {
            throw new UnsupportedOperationException();
        }

        /** Rows submitted and not read yet. */
        public int outstanding() {
            throw new UnsupportedOperationException();
        }

        /** Cancels what is outstanding; other sessions do not notice. */
        @Override
        public void close() {
            throw new UnsupportedOperationException();
        }
    }
}
