package io.github.sparkmixtral.job.inference;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.service.CompletionService;
import io.github.sparkmixtral.service.CompletionService.AnswerText;
import io.github.sparkmixtral.service.RowRequest;
import java.util.List;
import java.util.function.Consumer;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.hadoop.conf.Configuration;

/**
 * The engine of this JVM for one person, outside of any task. Each turn is a row as a job has it, so that a job gives the same answer to
 * it. One thread asks; any other may stop the answer.
 */
public final class ChatEngine implements AutoCloseable {
    private final GenerationOptions options;
    private final ExecutorEngine.Lease engine;
    private final BufferAllocator allocator;

    /** That of the answer that is being generated; null between answers. */
    private CompletionService.Session asking;

    private boolean stopped;

    /**
     * What became of a row.
     *
     * @param text the answer, or the part of it that there was when it was stopped; empty where there is an error
     * @param finishReason null for an answer that was stopped, or an error
     * @param error null where there is none
     * @param tokens null for an answer that was stopped, or an error
     * @param seconds until the end
     * @param secondsToText until the first text
     */
    public record Turn(
            String text,
            String finishReason,
            RequestError error,
            Tokens tokens,
            double seconds,
            double secondsToText) {}

    /**
     * Tokens counted.
     *
     * @param cached of the prompt's, those whose keys and values were there from earlier turns
     */
    public record Tokens(int prompt, int cached, int completion) {}

    private ChatEngine(GenerationOptions options, ExecutorEngine.Lease engine) {
        this.options = options;
        this.engine = engine;
        this.allocator = AnsweredRows.allocator();
    }

    /**
     * Loads the model.
     *
     * @throws io.github.sparkmixtral.file.ModelException where it cannot be loaded here
     * @throws JobException with exit code 2 where the options do not fit the model
     */
    public static ChatEngine open(GenerationOptions options, Configuration configuration) throws InterruptedException {
        ExecutorEngine.Lease engine = ExecutorEngine.lease(options.engine(), List.of(), configuration);
        try {
            AnsweredRows.open(engine, options, List.of()).close();
            return new ChatEngine(options, engine);
        } catch (RuntimeException e) {
            engine.close();
            throw e;
        }
    }

    public Model model() {
        return engine.model();
    }

    /** Longest sequence, prompt and answer together, in tokens. */
    public int maxModelLength() {
        return engine.maxModelLength();
    }

    /**
     * The tokens that a row's prompt becomes.
     *
     * @return {@code [tokens]} ids
     * @throws IllegalArgumentException if the row cannot become a request, saying why
     */
    public int[] promptTokens(RowRequest row) {
        try (CompletionService.Session session = AnsweredRows.open(engine, options, List.of())) {
            return session.promptTokens(row);
        }
    }

    /**
     * The custom id by which a row's answer is drawn.
     *
     * @throws IllegalArgumentException if the row cannot become a request, saying why
     */
    public String drawId(RowRequest row) {
        try (CompletionService.Session session = AnsweredRows.open(engine, options, List.of())) {
            return session.drawId(row);
        }
    }

    /**
     * Answers a row.
     *
     * @param text gets the answer piece by piece
     */
    public Turn ask(RowRequest row, Consumer<String> text) throws InterruptedException {
        long start = System.nanoTime();
        StringBuilder shown = new StringBuilder();
        double first = 0;
        try (CompletionService.Session session = AnsweredRows.open(engine, options, List.of());
                Answers answers =
                        new Answers(allocator, session.schema(), engine.model().tokenizer())) {
            begin(session);
            AnswerText growing = session.stream(0, row);
            for (String added = growing.next(); !added.isEmpty(); added = growing.next()) {
                first = shown.isEmpty() ? seconds(start) : first;
                shown.append(added);
                text.accept(added);
            }
            session.read(answers.root(), 1);
            if (answers.failed(0)) {
                return new Turn("", null, answers.error(0), null, seconds(start), first);
            }
            Tokens tokens = new Tokens(answers.promptTokens(0), answers.cachedTokens(0), answers.completionTokens(0));
            return new Turn(answers.text(0), answers.finishReason(0), null, tokens, seconds(start), first);
        } catch (IllegalStateException e) {
            if (!isStopped()) {
                throw e;
            }
            return new Turn(shown.toString(), null, null, null, seconds(start), first);
        } finally {
            end();
        }
    }

    private synchronized void begin(CompletionService.Session session) {
        asking = session;
        stopped = false;
    }

    private synchronized boolean isStopped() {
        return stopped;
    }

    private synchronized void end() {
        asking = null;
    }

    /** Stops the answer that is being generated, if there is one. */
    public synchronized void stop() {
        if (asking != null) {
            stopped = true;
            asking.close();
        }
    }

    private static double seconds(long start) {
        return (System.nanoTime() - start) / 1e9;
    }

    @Override
    public void close() {
        allocator.close();
        engine.close();
        ExecutorEngine.closeIdle(options.engine());
    }
}
