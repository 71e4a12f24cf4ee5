package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.Completion;
import io.github.sparkmixtral.engine.Engine;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.model.ModelDescription;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.apache.arrow.vector.VectorSchemaRoot;

/**
 * One engine for many tasks: owns the engine thread and a bounded queue of requests that feeds it, so that the tail of one
 * task's rows overlaps the head of the next one's. Thread-safe.
 *
 * <p>If the engine thread dies (the backend throws, memory runs out), every waiting and every later call of a session throws an
 * {@link IllegalStateException} with that cause; nothing hangs.
 */
public final class CompletionService implements AutoCloseable {
    private final Backend backend;
    private final Engine engine;
    private final RequestBuilder requestBuilder;
    private final int queueCapacity;
    private final Thread thread;
    private final AtomicLong lastId = new AtomicLong();

    /** Of the requests that the engine has; touched by the engine thread alone. */
    private final Map<String, Ticket> inEngine = new HashMap<>();

    /** Guards everything below, and the state of the sessions. */
    private final ReentrantLock lock = new ReentrantLock();

    private final Condition work = lock.newCondition();
    private final Condition room = lock.newCondition();
    private final Deque<Ticket> queue = new ArrayDeque<>();
    private final List<Session> sessions = new ArrayList<>();
    private boolean sessionsClosed;
    private boolean closed;
    private Throwable failure;
    private long completedRows;
    private long failedRows;
    private long promptTokens;
    private long cachedTokens;
    private long completionTokens;
    private int runningSequences;
    private int waitingSequences;

    /** A request and who asked. */
    private record Ticket(Session session, Request request) {}

    private CompletionService(ModelDescription model, Backend backend, ServiceOptions options) {
        this.backend = backend;
        engine = new Engine(backend, model.tokenizer(), model.config().eosTokenIds(), options.maxModelLength());
        engine.checkParameters(options.parameters());
        requestBuilder = new RequestBuilder(model.tokenizer(), options, engine, wayOut(backend, engine, options));
        queueCapacity = options.queueCapacity();
        thread = new Thread(this::run, "spark-mixtral-engine");
        thread.setDaemon(true);
    }

    private static String wayOut(Backend backend, Engine engine, ServiceOptions options) {
        if (engine.maxModelLength() == backend.maxPositions()) {
            return "shorten it, the model takes no more";
        }
        return engine.maxModelLength() == options.maxModelLength()
                ? "shorten it, or raise --max-model-len"
                : "shorten it, or raise --kv-cache-memory";
    }

    /**
     * Starts the engine thread. The service closes the backend; the model behind it stays the caller's, and must be closed
     * only after the service.
     *
     * @throws IllegalArgumentException where the options do not fit the model, saying which; the backend is then still the caller's
     */
    public static CompletionService start(ModelDescription model, Backend backend, ServiceOptions options) {
        CompletionService service = new CompletionService(model, backend, options);
        service.thread.start();
        return service;
    }

    /** Opens a session: one task's rows. Any number may be open at once. */
    public Session open() {
        return new Session();
    }

    /** Longest sequence, prompt and answer together, in tokens. */
    public int maxModelLength() {
        return engine.maxModelLength();
    }

    /** What has been done so far; at most one engine step old. */
    public Counters counters() {
        lock.lock();
        try {
            return new Counters(
                    completedRows,
                    failedRows,
                    promptTokens,
                    cachedTokens,
                    completionTokens,
                    runningSequences,
                    waitingSequences,
                    queue.size());
        } finally {
            lock.unlock();
        }
    }

    /** Ends the engine thread, waits for it, and closes the backend. Open sessions' next calls throw. */
    @Override
    public void close() {
        lock.lock();
        try {
            closed = true;
            wakeAll();
        } finally {
            lock.unlock();
        }
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException again) {
                interrupted = true; // the backend is in use until the thread ends
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void wakeAll() {
        work.signalAll();
        room.signalAll();
        sessions.forEach(session -> session.answered.signalAll());
    }

    private void run() {
        try (backend) {
            List<Ticket> taken = new ArrayList<>();
            while (takeWork(taken)) {
                for (Ticket ticket : taken) {
                    inEngine.put(ticket.request().id(), ticket);
                    engine.add(ticket.request());
                }
                taken.clear();
                deliver(engine.step());
            }
        } catch (Throwable cause) {
            // Whatever it is, an Error too: the tasks must hear of it, or they would wait for ever.
            fail(cause);
        }
    }

    /** Waits for something to do; false when the service is closed. */
    private boolean takeWork(List<Ticket> taken) throws InterruptedException {
        lock.lock();
        try {
            while (!closed && !sessionsClosed && queue.isEmpty() && !engine.hasWork()) {
                work.await();
            }
            if (sessionsClosed) {
                cancelClosed();
            }
            // What the engine has waiting is kept short, so that the queue's bound is the bound of what waits.
            int wanted = backend.maxSequences() - engine.waiting();
            while (wanted > 0 && !queue.isEmpty()) {
                Ticket ticket = queue.poll();
                wanted -= ticket.request().parameters().n();
                taken.add(ticket);
            }
            room.signalAll();
            return !closed;
        } finally {
            lock.unlock();
        }
    }

    private void cancelClosed() {
        sessionsClosed = false;
        inEngine.values().removeIf(ticket -> {
            if (ticket.session().closed) {
                engine.cancel(ticket.request().id());
            }
            return ticket.session().closed;
        });
    }

    private void deliver(List<Completion> completions) {
        lock.lock();
        try {
            for (Completion completion : completions) {
                Ticket ticket = inEngine.remove(completion.id());
                Request request = ticket.request();
                ticket.session()
                        .take(new Answer(
                                request.customId(),
                                completion,
                                request.parameters().seed()));
            }
            completionTokens = engine.generatedTokens();
            runningSequences = engine.running();
            waitingSequences = engine.waiting();
        } finally {
            lock.unlock();
        }
    }

    private void fail(Throwable cause) {
        lock.lock();
        try {
            failure = cause;
            wakeAll();
        } finally {
            lock.unlock();
        }
    }

    /**
     * The rows of one task. One thread submits and reads, or one thread each. Completions that nobody reads pile up: read
     * while you submit, and keep {@link #outstanding} within what you want to hold in memory.
     */
    public final class Session implements AutoCloseable {
        private final Condition answered = lock.newCondition();
        private final Deque<Answer> answers = new ArrayDeque<>();
        private int outstanding;
        private boolean closed;

        private Session() {
            lock.lock();
            try {
                checkUsable();
                sessions.add(this);
            } finally {
                lock.unlock();
            }
        }

        /**
         * Takes every row of a batch of {@link RecordSchema#REQUESTS}, copying what it needs; columns other than
         * {@code custom_id} may be missing. Tokenizes on the calling thread, and blocks while the queue is full. A row that
         * cannot become a request is answered with an error.
         *
         * @throws IllegalArgumentException where {@code custom_id} is missing or null, or a column is not utf8; no row is then taken
         * @throws IllegalStateException where the session or the service is closed, or the engine has died
         * @throws InterruptedException some rows of the batch may have been taken; close the session
         */
        public void submit(VectorSchemaRoot requests) throws InterruptedException {
            RequestRows rows = new RequestRows(requests);
            for (int index = 0; index < rows.count(); index++) {
                submit(rows.row(index));
            }
        }

        private void submit(Row row) throws InterruptedException {
            Request request = null;
            Answer refusal = null;
            try {
                request = requestBuilder.build(Long.toString(lastId.incrementAndGet()), row);
            } catch (InvalidRowException invalid) {
                refusal = Answer.invalid(row.customId(), invalid.error());
            }
            lock.lockInterruptibly();
            try {
                checkUsable();
                if (refusal != null) {
                    outstanding++;
                    take(refusal);
                    return;
                }
                while (queue.size() >= queueCapacity) {
                    room.await();
                    checkUsable();
                }
                outstanding++;
                queue.add(new Ticket(this, request));
                work.signal();
            } finally {
                lock.unlock();
            }
        }

        /**
         * Waits until a row is answered, then fills {@code completions}, a batch of {@link RecordSchema#COMPLETIONS} whose
         * former content is dropped, with up to {@code maxRows} answered rows, in the order in which they were answered.
         *
         * @return rows written; 0 only when no row is outstanding
         * @throws IllegalArgumentException where the batch has another schema or {@code maxRows} is not positive; nothing is then read
         * @throws IllegalStateException where the session or the service is closed, or the engine has died
         */
        public int read(VectorSchemaRoot completions, int maxRows) throws InterruptedException {
            AnswerWriter writer = writer(completions, maxRows);
            List<Answer> read;
            lock.lockInterruptibly();
            try {
                checkUsable();
                while (answers.isEmpty() && outstanding > 0) {
                    answered.await();
                    checkUsable();
                }
                read = takeAnswers(maxRows);
            } finally {
                lock.unlock();
            }
            writer.write(read);
            return read.size();
        }

        /** As {@link #read}, without waiting: 0 also when no row is answered yet. */
        public int poll(VectorSchemaRoot completions, int maxRows) {
            AnswerWriter writer = writer(completions, maxRows);
            List<Answer> read;
            lock.lock();
            try {
                checkUsable();
                read = takeAnswers(maxRows);
            } finally {
                lock.unlock();
            }
            writer.write(read);
            return read.size();
        }

        private AnswerWriter writer(VectorSchemaRoot completions, int maxRows) {
            if (maxRows < 1) {
                throw new IllegalArgumentException("maxRows must be at least 1, not " + maxRows);
            }
            return new AnswerWriter(completions);
        }

        private List<Answer> takeAnswers(int maxRows) {
            List<Answer> taken = new ArrayList<>();
            while (taken.size() < maxRows && !answers.isEmpty()) {
                taken.add(answers.poll());
            }
            outstanding -= taken.size();
            return taken;
        }

        /** Rows submitted and not read yet. */
        public int outstanding() {
            lock.lock();
            try {
                return outstanding;
            } finally {
                lock.unlock();
            }
        }

        /** Cancels what is outstanding; other sessions do not notice. */
        @Override
        public void close() {
            lock.lock();
            try {
                closed = true;
                sessions.remove(this);
                queue.removeIf(ticket -> ticket.session() == this);
                answers.clear();
                outstanding = 0;
                sessionsClosed = true;
                work.signal();
                room.signalAll();
                answered.signalAll();
            } finally {
                lock.unlock();
            }
        }

        private void take(Answer answer) {
            count(answer);
            if (!closed) {
                answers.add(answer);
                answered.signalAll();
            }
        }

        private void count(Answer answer) {
            if (answer.failed()) {
                failedRows++;
            } else {
                completedRows++;
                promptTokens += answer.outcome().usage().promptTokens();
                cachedTokens += answer.outcome().usage().cachedTokens();
            }
        }

        private void checkUsable() {
            if (failure != null) {
                throw new IllegalStateException("the engine has died: " + failure, failure);
            }
            if (CompletionService.this.closed) {
                throw new IllegalStateException("the completion service is closed");
            }
            if (closed) {
                throw new IllegalStateException("the session is closed");
            }
        }
    }
}
