package io.github.sparkmixtral.service;

import io.github.sparkmixtral.agent.Agent;
import io.github.sparkmixtral.agent.AgentTool;
import io.github.sparkmixtral.agent.Toolbox;
import io.github.sparkmixtral.chat.ChatFormat;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.Engine;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.service.Exchange.Place;
import io.github.sparkmixtral.service.RequestBuilder.Built;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.pojo.Schema;

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
    private final RequestLimits limits;
    private final RequestBuilder requestBuilder;
    private final Exchange exchange;
    private final Courses courses;
    private final Thread thread;
    private final AtomicLong lastId = new AtomicLong();

    private CompletionService(ModelDescription model, Backend backend, ServiceOptions options) {
        this.backend = backend;
        engine = new Engine(backend, model.tokenizer(), model.config().eosTokenIds(), options.maxModelLength());
        limits = new RequestLimits(
                engine.limits(), wayOut(maxModelLength(), backend.maxPositions(), options.maxModelLength()));
        requestBuilder = new RequestBuilder(model, limits);
        exchange = new Exchange(options.queueCapacity(), engine.counters());
        courses = new Courses(exchange);
        thread = new Thread(new EngineLoop(backend, engine, exchange, courses), "spark-mixtral-engine");
        thread.setDaemon(true);
    }

    /**
     * What to do about a prompt that is too long.
     *
     * @param longest sequence that is taken
     * @param maxPositions the model's limit
     * @param asked the caller's; 0 for none
     */
    static String wayOut(int longest, int maxPositions, int asked) {
        if (longest == maxPositions) {
            return "shorten it, the model takes no more";
        }
        return longest == asked ? "shorten it, or raise --max-model-len" : "shorten it, or raise --kv-cache-memory";
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

    /**
     * Opens a session: one task's rows. Any number may be open at once, with different defaults.
     *
     * @throws IllegalArgumentException where the defaults do not fit the model, saying which
     * @throws IllegalStateException where the service is closed, or the engine has died
     */
    public Session open(RequestDefaults defaults) {
        return open(defaults, List.of());
    }

    /**
     * The same for an agent that has tools beside its own and those on the class path.
     *
     * @param tools may be called by many threads at once
     * @throws IllegalArgumentException where the defaults do not fit the model, or name a tool that is not there
     */
    public Session open(RequestDefaults defaults, List<AgentTool> tools) {
        engine.limits().checkParameters(defaults.parameters());
        limits.checkSize(1, defaults.parameters());
        StructuredOutputReader.checkChoices("structured_outputs", defaults.parameters());
        ChatFormat chatFormat = requestBuilder.chatFormat(defaults);
        Agent agent = null;
        if (defaults.agent() != null) {
            RequestBuilder.checkAgent(defaults.parameters());
            agent = Agent.of(defaults.agent(), Toolbox.of(defaults.agent(), tools), chatFormat);
        }
        return new Session(exchange.open(), defaults, chatFormat, agent);
    }

    /** Longest sequence, prompt and answer together, in tokens. */
    public int maxModelLength() {
        return engine.limits().maxModelLength();
    }

    /** Whether the engine thread has died, so that every call throws. */
    public boolean hasFailed() {
        return exchange.hasFailed();
    }

    /** What has been done so far; at most one engine step old. */
    public Counters counters() {
        return exchange.counters();
    }

    /** {@code [layers, experts]} how many tokens each expert has had so far; empty if the backend does not count. */
    public long[][] expertTokens() {
        return backend.expertTokens();
    }

    /** Ends the engine thread and what rows do meanwhile, waits for both, and closes the backend. Open sessions' calls throw. */
    @Override
    public void close() {
        exchange.close();
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException again) {
                interrupted = true; // the backend is in use until the thread ends
            }
        }
        courses.close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** The text of one answer as it grows. If a row asks for several answers, that of the first. */
    public final class AnswerText {
        private final Place place;

        private AnswerText(Place place) {
            this.place = place;
        }

        /**
         * Waits for more of the text. What is handed out stays as it is: put together it is the answer's text. A row that brings tools
         * hands out all of it at once, for what it says may turn out to be calls; one that fails, nothing.
         *
         * @return empty when the answer has ended
         * @throws IllegalStateException where the session or the service is closed, or the engine has died
         */
        public String next() throws InterruptedException {
            return exchange.grown(place);
        }
    }

    /**
     * The rows of one task. One thread submits and reads, or one thread each. Completions that nobody reads pile up: read
     * while you submit, and keep {@link #outstanding} within what you want to hold in memory.
     */
    public final class Session implements AutoCloseable {
        private final Exchange.Mailbox mailbox;
        private final RequestDefaults defaults;
        private final ChatFormat chatFormat;
        private final Agent agent;

        private Session(Exchange.Mailbox mailbox, RequestDefaults defaults, ChatFormat chatFormat, Agent agent) {
            this.mailbox = mailbox;
            this.defaults = defaults;
            this.chatFormat = chatFormat;
            this.agent = agent;
        }

        /**
         * Takes a row. Tokenizes on the calling thread, and blocks while the queue is full. A row that cannot become a request is
         * answered with an error. One that takes several requests, as an agent's does, keeps its place until its last one is answered.
         *
         * @param row the caller's number for it, which comes back with its answer
         * @throws IllegalStateException where the session or the service is closed, or the engine has died
         * @throws InterruptedException the row may have been taken; close the session
         */
        public void submit(long row, RowRequest asked) throws InterruptedException {
            Place _ = submit(row, asked, false);
        }

        /**
         * Takes a row as {@link #submit} does, and hands out its answer while it is generated. The answer is read as any other one when
         * it has ended.
         */
        public AnswerText stream(long row, RowRequest asked) throws InterruptedException {
            return new AnswerText(submit(row, asked, true));
        }

        private Place submit(long row, RowRequest asked, boolean streamed) throws InterruptedException {
            Built built;
            try {
                built = built(asked);
            } catch (InvalidRowException invalid) {
                return exchange.refuse(mailbox, Answer.invalid(row, invalid.error()));
            }
            return exchange.submit(mailbox, row, built, limits.entries(built.request()), streamed);
        }

        private Built built(RowRequest asked) throws InvalidRowException {
            return requestBuilder.build(
                    () -> Long.toString(lastId.incrementAndGet()), asked, defaults, chatFormat, agent);
        }

        /**
         * The tokens that a row's prompt becomes, with what the chat format adds; nothing is submitted.
         *
         * @return {@code [tokens]} ids
         * @throws IllegalArgumentException if the row cannot become a request, saying why
         */
        public int[] promptTokens(RowRequest asked) {
            return requested(asked).promptTokens();
        }

        private Request requested(RowRequest asked) {
            try {
                return built(asked).request();
            } catch (InvalidRowException invalid) {
                throw new IllegalArgumentException(invalid.error().message(), invalid);
            }
        }

        /**
         * The custom id by which a row's answer is drawn: its own, or one that its prompt decides. A row that brings it gets the same
         * answer.
         *
         * @throws IllegalArgumentException if the row cannot become a request, saying why
         */
        public String drawId(RowRequest asked) {
            return requested(asked).customId();
        }

        /**
         * The columns of the batches that {@link #read} and {@link #poll} fill: {@link RecordSchema#COMPLETIONS}, with embeddings if the
         * session's task is to embed.
         */
        public Schema schema() {
            return defaults.task() == Task.EMBED
                    ? RecordSchema.withEmbeddings(engine.limits().hiddenSize())
                    : RecordSchema.COMPLETIONS;
        }

        /**
         * Waits until the first row that was not read yet is answered, then fills {@code completions}, a batch of
         * {@link #schema} whose former content is dropped, with up to {@code maxRows} answered rows in the order
         * in which they were submitted.
         *
         * @return rows written; 0 only when no row is outstanding
         * @throws IllegalArgumentException where the batch has another schema or {@code maxRows} is not positive; nothing is then read
         * @throws IllegalStateException where the session or the service is closed, or the engine has died
         */
        public int read(VectorSchemaRoot completions, int maxRows) throws InterruptedException {
            AnswerWriter writer = writer(completions, maxRows);
            List<Answer> answers = exchange.await(mailbox, maxRows);
            writer.write(answers);
            return answers.size();
        }

        /**
         * Waits until the first row that was not read yet is answered, or the engine is rid of any other one, which makes room for another. Does not
         * wait where no row is outstanding.
         *
         * @throws IllegalStateException where the session or the service is closed, or the engine has died
         */
        public void awaitProgress() throws InterruptedException {
            exchange.awaitProgress(mailbox);
        }

        /** As {@link #read}, without waiting: 0 also when the first row is not answered yet. */
        public int poll(VectorSchemaRoot completions, int maxRows) {
            AnswerWriter writer = writer(completions, maxRows);
            List<Answer> answers = exchange.poll(mailbox, maxRows);
            writer.write(answers);
            return answers.size();
        }

        private AnswerWriter writer(VectorSchemaRoot completions, int maxRows) {
            if (maxRows < 1) {
                throw new IllegalArgumentException("maxRows must be at least 1, not " + maxRows);
            }
            return new AnswerWriter(completions, schema(), defaults.embedding().normalize());
        }

        /** Rows submitted and not read yet. */
        public int outstanding() {
            return exchange.outstanding(mailbox);
        }

        /** Rows that the engine has, or that wait for it; one that waits for its tools is not among them. */
        public int unanswered() {
            return exchange.atEngine(mailbox);
        }

        /**
         * How large the answers of the {@linkplain #outstanding outstanding} rows may be, in tokens and in alternatives to tokens:
         * an answered row holds some 20 bytes for each until it is read.
         */
        public long outstandingEntries() {
            return exchange.entries(mailbox);
        }

        /** Cancels what is outstanding; other sessions do not notice. */
        @Override
        public void close() {
            exchange.close(mailbox);
        }
    }
}
