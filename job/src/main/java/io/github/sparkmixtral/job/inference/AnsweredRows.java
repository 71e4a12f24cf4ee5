package io.github.sparkmixtral.job.inference;

import io.github.sparkmixtral.agent.AgentTool;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.input.PromptRow;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.service.CompletionService;
import io.github.sparkmixtral.service.Counters;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;
import org.apache.spark.util.TaskCompletionListener;

/**
 * The rows of one task with their answers, in the order in which they came. Rows are read, submitted and answered as they are asked
 * for: no more than {@link EngineIdentity#rowsInFlight} wait for the engine, and no more than {@link EngineIdentity#rowsHeld} are
 * held. Whatever ends the task, its session is closed with it, which cancels what still runs.
 *
 * @param <I> a row
 * @param <O> a row with its answer
 */
public final class AnsweredRows<I, O> implements Iterator<O> {
    private static final int BATCH_ROWS = 64;

    /** Tokens, and alternatives to them, that a task's answers may hold before they are read: some 160 MB at most. */
    private static final long MOST_ENTRIES = 8 << 20;

    /** What a row asks for, and what becomes of its answer. */
    public interface Questions<I, O> {
        PromptRow ask(I row);

        /**
         * Puts row and answer together.
         *
         * @param answers holds the answer in its row {@code index}, until it is filled again
         * @param incomplete why the answer is not what it has to be, or an agent has come to none; null if it is, or nobody asks
         */
        O answered(I row, PromptRow asked, Answers answers, int index, RequestError incomplete);

        /** @param error null for a row that asks for nothing */
        O failed(I row, PromptRow asked, RequestError error);
    }

    private final Questions<I, O> questions;
    private final TaskContext task;
    private final Iterator<I> input;
    private final EngineIdentity identity;
    private final boolean requireComplete;
    private final RunLimits limits;
    private final Resources resources;

    /** Rows that wait for their answers, in the order of the input. */
    private final Deque<Held<I>> held = new ArrayDeque<>();

    /** Rows of the batch of answers: how many there are, and which is the next. */
    private int batchRows;

    private int next;

    private long taken;
    private long submitted;
    private boolean stopped;

    private record Held<I>(I row, PromptRow asked) {}

    /** What a task has open; closed in the opposite order, also where opening breaks off. */
    private static final class Resources implements AutoCloseable {
        private final Deque<AutoCloseable> open = new ArrayDeque<>();
        private ExecutorEngine.Lease engine;
        private CompletionService.Session session;
        private Answers answers;

        <T extends AutoCloseable> T keep(T resource) {
            open.push(resource);
            return resource;
        }

        @Override
        public void close() {
            RuntimeException failure = null;
            while (!open.isEmpty()) {
                try {
                    open.pop().close();
                } catch (Exception e) {
                    failure = new IllegalStateException("a task's resources cannot be closed", e);
                }
            }
            if (failure != null) {
                throw failure;
            }
        }
    }

    /**
     * Opens the executor's engine for a task, and loads it if this task is the first.
     *
     * @param configuration Hadoop's, for fetching the model
     * @param limits after which no more rows are taken; those that were taken are answered
     */
    public AnsweredRows(
            GenerationOptions options,
            Configuration configuration,
            RunLimits limits,
            Questions<I, O> questions,
            Iterator<I> input)
            throws InterruptedException {
        this(options, configuration, limits, questions, List.of(), input);
    }

    /** @param tools that an agent has beside its own */
    AnsweredRows(
            GenerationOptions options,
            Configuration configuration,
            RunLimits limits,
            Questions<I, O> questions,
            List<AgentTool> tools,
            Iterator<I> input)
            throws InterruptedException {
        this.questions = questions;
        this.limits = limits;
        this.input = input;
        this.identity = options.engine();
        this.requireComplete = options.requireComplete();
        this.task = TaskContext.get();
        this.resources = new Resources();
        this.stopped = limits.isReached() && input.hasNext();
        if (stopped) {
            return;
        }
        task.addTaskCompletionListener((TaskCompletionListener) _ -> resources.close());
        ExecutorEngine.Lease engine =
                resources.keep(ExecutorEngine.lease(identity, ExecutorGpus.of(task), configuration));
        resources.engine = engine;
        BufferAllocator allocator = resources.keep(allocator());
        resources.session = resources.keep(open(engine, options, tools));
        resources.answers = resources.keep(new Answers(
                allocator, resources.session.schema(), engine.model().tokenizer()));
    }

    static CompletionService.Session open(
            ExecutorEngine.Lease engine, GenerationOptions options, List<AgentTool> tools) {
        try {
            return engine.open(options.defaults(), tools);
        } catch (IllegalArgumentException e) {
            throw JobException.usage(OptionValues.inOptionSpelling(e.getMessage()));
        }
    }

    static BufferAllocator allocator() {
        try {
            return new RootAllocator();
        } catch (LinkageError | UnsupportedOperationException e) {
            throw new JobException(
                    ExitCode.FAILED,
                    "Arrow cannot use off-heap memory in this JVM: start it with the flags of conf/spark-defaults.conf, as"
                            + " job/bin/spark-mixtral and spark-submit --properties-file do",
                    e);
        }
    }

    /** Whether the input was not taken to its end, because a limit was reached. */
    public boolean isStopped() {
        return stopped;
    }

    /** What the engine has done and does. */
    public Counters counters() {
        return resources.engine.counters();
    }

    /** Drops the rows that wait for their answers; {@link #next} and {@link #hasNext} then throw an IllegalStateException. Any thread may. */
    public void cancel() {
        resources.session.close();
    }

    /** See {@link ExecutorEngine.Lease#newExpertTokens}. A task that came too late for any row has opened no engine. */
    long[][] newExpertTokens() {
        return resources.engine == null ? new long[0][] : resources.engine.newExpertTokens();
    }

    /** How many rows of the input were taken. */
    public long taken() {
        return taken;
    }

    @Override
    public boolean hasNext() {
        if (task.isInterrupted()) {
            throw new TaskKilledException("killed while its rows were answered");
        }
        try {
            submit();
        } catch (InterruptedException e) {
            throw interrupted();
        }
        return !held.isEmpty();
    }

    private static TaskKilledException interrupted() {
        Thread.currentThread().interrupt();
        return new TaskKilledException("interrupted while its rows were answered");
    }

    @Override
    public O next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        Held<I> first = held.peek();
        if (first.asked().request() == null) {
            held.remove();
            return questions.failed(first.row(), first.asked(), first.asked().error());
        }
        try {
            while (next == batchRows) {
                // The first row may take longest: meanwhile the others' places are filled again.
                resources.session.awaitProgress();
                batchRows = resources.session.poll(resources.answers.root(), BATCH_ROWS);
                next = 0;
                submit();
            }
        } catch (InterruptedException e) {
            throw interrupted();
        }
        held.remove();
        resources.engine.answered();
        int index = next++;
        Answers answers = resources.answers;
        String location = first.asked().location();
        RequestError error = answers.failed(index) ? answers.error(index) : null;
        if (error != null && !answers.hasTurns(index)) {
            return questions.failed(first.row(), first.asked(), located(error, location));
        }
        RequestError incomplete = error != null || !requireComplete ? error : answers.incomplete(index);
        return questions.answered(
                first.row(), first.asked(), answers, index, incomplete == null ? null : located(incomplete, location));
    }

    /** Fills the engine up with rows of the input. */
    private void submit() throws InterruptedException {
        int batch = 0;
        while (!stopped
                && resources.session.unanswered() < identity.rowsInFlight()
                && held.size() < identity.rowsHeld()
                && resources.session.outstandingEntries() < MOST_ENTRIES
                && batch++ < BATCH_ROWS
                && input.hasNext()) {
            // Rows that cost nothing, such as the first ones of a table, which have no id, are not cut.
            if (submitted > 0 && limits.isReached()) {
                stopped = true;
                return;
            }
            I row = input.next();
            taken++;
            Held<I> entry = new Held<>(row, questions.ask(row));
            held.add(entry);
            if (entry.asked().request() != null) {
                resources.session.submit(submitted++, entry.asked().request());
            }
        }
    }

    private static RequestError located(RequestError error, String location) {
        return location.isEmpty()
                ? error
                : new RequestError(error.code(), location + ": " + error.message(), error.retryable());
    }
}
