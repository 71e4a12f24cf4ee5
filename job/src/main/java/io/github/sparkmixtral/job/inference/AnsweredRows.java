package io.github.sparkmixtral.job.inference;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.input.PromptRow;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.service.CompletionService;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
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

    /** What a row asks for, and what becomes of its answer. */
    public interface Questions<I, O> {
        PromptRow ask(I row);

        /**
         * Puts row and answer together.
         *
         * @param answers holds the answer in its row {@code index}, until it is filled again
         */
        O answered(I row, PromptRow asked, Answers answers, int index);

        /** @param error null for a row that asks for nothing */
        O failed(I row, PromptRow asked, RequestError error);
    }

    private final Questions<I, O> questions;
    private final TaskContext task;
    private final Iterator<I> input;
    private final EngineIdentity identity;
    private final Resources resources;

    /** Rows in the order of the input, answered or not. */
    private final Deque<Held<I, O>> held = new ArrayDeque<>();

    /** Rows submitted and not answered, by their number. */
    private final Map<Long, Held<I, O>> waiting = new HashMap<>();

    private long submitted;

    private static final class Held<I, O> {
        private final I row;
        private final PromptRow asked;
        private O answer;

        Held(I row, PromptRow asked) {
            this.row = row;
            this.asked = asked;
        }
    }

    /** What a task has open; closed in the opposite order, also where opening breaks off. */
    private static final class Resources implements AutoCloseable {
        private final Deque<AutoCloseable> open = new ArrayDeque<>();
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
     */
    public AnsweredRows(
            GenerationOptions options, Configuration configuration, Questions<I, O> questions, Iterator<I> input)
            throws InterruptedException {
        this.questions = questions;
        this.input = input;
        this.identity = options.engine();
        this.task = TaskContext.get();
        this.resources = new Resources();
        task.addTaskCompletionListener((TaskCompletionListener) _ -> resources.close());
        Optional<String> gpu =
                Optional.ofNullable(task.resourcesJMap().get("gpu")).map(resource -> resource.addresses()[0]);
        ExecutorEngine.Lease engine = resources.keep(ExecutorEngine.lease(identity, gpu, configuration));
        BufferAllocator allocator = resources.keep(allocator());
        resources.answers = resources.keep(new Answers(allocator, engine.model().tokenizer()));
        resources.session = resources.keep(open(engine, options));
    }

    static CompletionService.Session open(ExecutorEngine.Lease engine, GenerationOptions options) {
        try {
            return engine.open(options.defaults());
        } catch (IllegalArgumentException e) {
            throw JobException.usage(OptionValues.inOptionSpelling(e.getMessage()));
        }
    }

    private static BufferAllocator allocator() {
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

    @Override
    public boolean hasNext() {
        try {
            while (held.isEmpty() || held.peek().answer == null) {
                if (task.isInterrupted()) {
                    throw new TaskKilledException("killed while its rows were answered");
                }
                submit();
                if (held.isEmpty()) {
                    return false;
                }
                if (held.peek().answer == null) {
                    collect();
                }
            }
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TaskKilledException("interrupted while its rows were answered");
        }
    }

    @Override
    public O next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        return held.remove().answer;
    }

    /** Fills the engine up with rows of the input. Rows that cannot be asked are answered at once. */
    private void submit() throws InterruptedException {
        int batch = 0;
        while (waiting.size() < identity.rowsInFlight()
                && held.size() < identity.rowsHeld()
                && batch++ < BATCH_ROWS
                && input.hasNext()) {
            I row = input.next();
            Held<I, O> entry = new Held<>(row, questions.ask(row));
            held.add(entry);
            if (entry.asked.request() == null) {
                entry.answer = questions.failed(row, entry.asked, entry.asked.error());
            } else {
                long number = submitted++;
                waiting.put(number, entry);
                resources.session.submit(number, entry.asked.request());
            }
        }
    }

    /** Waits for answers. */
    private void collect() throws InterruptedException {
        Answers answers = resources.answers;
        int rows = resources.session.read(answers.root(), BATCH_ROWS);
        for (int i = 0; i < rows; i++) {
            Held<I, O> entry = waiting.remove(answers.row(i));
            entry.answer = answers.failed(i)
                    ? questions.failed(entry.row, entry.asked, located(answers.error(i), entry.asked.location()))
                    : questions.answered(entry.row, entry.asked, answers, i);
        }
    }

    private static RequestError located(RequestError error, String location) {
        return location.isEmpty()
                ? error
                : new RequestError(error.code(), location + ": " + error.message(), error.retryable());
    }
}
