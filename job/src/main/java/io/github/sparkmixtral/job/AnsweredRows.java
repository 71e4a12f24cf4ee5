package io.github.sparkmixtral.job;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.service.CompletionService;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;

/**
 * The output rows of one task, in the order in which they are answered. Rows are read, submitted and answered as they are asked
 * for, so that no more than {@link EngineSettings#rowsInFlight} of them are held. Whatever ends the task, its session is closed
 * with it, which cancels what still runs.
 */
final class AnsweredRows implements Iterator<Row> {
    private static final int BATCH_ROWS = 64;

    private final Generation generation;
    private final TaskContext task;
    private final Iterator<Row> input;
    private final CompletionService.Session session;
    private final Requests requests;
    private final Answers answers;
    private final int rowsInFlight;

    /** Rows submitted and not answered, by id. */
    private final Map<String, Waiting> waiting = new HashMap<>();

    private final Deque<Row> answered = new ArrayDeque<>();

    private record Waiting(Row row, PromptRow prompt) {}

    AnsweredRows(Generation generation, ExecutorEngine engine, TaskContext task, Iterator<Row> input) {
        this.generation = generation;
        this.task = task;
        this.input = input;
        this.rowsInFlight = generation.settings().rowsInFlight();
        BufferAllocator allocator = allocator();
        this.requests = new Requests(allocator);
        this.answers =
                new Answers(allocator, engine.model().tokenizer(), generation.severalOutputs(), generation.logprobs());
        this.session = engine.open();
        task.addTaskCompletionListener(_ -> {
            session.close();
            requests.close();
            answers.close();
            allocator.close();
        });
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
            while (answered.isEmpty()) {
                if (task.isInterrupted()) {
                    throw new TaskKilledException("killed while its rows were answered");
                }
                submit();
                if (answered.isEmpty() && !collect()) {
                    return false;
                }
            }
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TaskKilledException("interrupted while its rows were answered");
        }
    }

    @Override
    public Row next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        return answered.remove();
    }

    /** Fills the engine up with rows of the input. Rows that cannot be asked are answered at once. */
    private void submit() throws InterruptedException {
        List<PromptRow> batch = new ArrayList<>();
        while (waiting.size() < rowsInFlight && batch.size() < BATCH_ROWS && input.hasNext()) {
            Row row = input.next();
            int own = generation.inputColumns();
            PromptRow prompt =
                    generation.reader().read((byte[]) row.get(own), row.getString(own + 1), (Long) row.get(own + 2));
            if (prompt.error() != null) {
                fail(row, prompt, prompt.error());
            } else if (waiting.putIfAbsent(prompt.id(), new Waiting(row, prompt)) == null) {
                batch.add(prompt);
            } else {
                throw JobException.input("the id " + prompt.id() + " is on several rows: ids must be unique");
            }
        }
        if (!batch.isEmpty()) {
            session.submit(requests.of(batch));
        }
    }

    /** Waits for answers; false where none is outstanding. */
    private boolean collect() throws InterruptedException {
        int rows = session.read(answers.root(), BATCH_ROWS);
        for (int i = 0; i < rows; i++) {
            Waiting asked = waiting.remove(answers.id(i));
            if (answers.failed(i)) {
                RequestError error = answers.error(i);
                fail(asked.row(), asked.prompt(), located(error, asked.prompt().location()));
            } else {
                generation.done().promptTokens().add(answers.promptTokens(i));
                generation.done().completionTokens().add(answers.completionTokens(i));
                emit(asked.row(), asked.prompt(), answers.columns(i, generation.modelName()));
            }
        }
        return rows > 0 || input.hasNext();
    }

    private static RequestError located(RequestError error, String location) {
        return location.isEmpty()
                ? error
                : new RequestError(error.code(), location + ": " + error.message(), error.retryable());
    }

    private void fail(Row row, PromptRow prompt, RequestError error) {
        generation.done().errors().add(1);
        int optional = (generation.severalOutputs() ? 1 : 0) + (generation.logprobs() ? 1 : 0);
        List<Object> columns = new ArrayList<>(Arrays.asList(
                null,
                null,
                null,
                RowFactory.create(error.code(), error.message(), error.retryable()),
                generation.modelName(),
                null));
        columns.addAll(Collections.nCopies(optional, null));
        emit(row, prompt, columns);
    }

    private void emit(Row row, PromptRow prompt, List<Object> columns) {
        generation.done().rows().add(1);
        List<Object> values = new ArrayList<>();
        for (int i = 0; i < generation.inputColumns(); i++) {
            values.add(row.get(i));
        }
        values.add(prompt.id());
        values.addAll(columns);
        answered.add(RowFactory.create(values.toArray()));
    }
}
