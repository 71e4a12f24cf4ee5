package io.github.sparkmixtral.job.inference;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.service.CompletionService;
import io.github.sparkmixtral.service.RowRequest;
import io.github.sparkmixtral.service.RowRequest.Field;
import java.util.List;
import java.util.Map;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.hadoop.conf.Configuration;

/** One prompt on the engine of this JVM, outside of any task. */
public final class SinglePrompt {

    private SinglePrompt() {}

    /**
     * The text of the first answer.
     *
     * @param prompt null where there are messages
     * @param messages null where there is a prompt
     * @throws JobException where it cannot be asked, saying why
     */
    public static String answer(GenerationOptions options, Field prompt, Field messages, Configuration configuration) {
        RowRequest request = new RowRequest(null, null, prompt, messages, null, Map.of());
        try (ExecutorEngine.Lease engine = ExecutorEngine.lease(options.engine(), List.of(), configuration);
                BufferAllocator allocator = new RootAllocator();
                CompletionService.Session session = AnsweredRows.open(engine, options, List.of());
                Answers answers =
                        new Answers(allocator, session.schema(), engine.model().tokenizer())) {
            session.submit(0, request);
            session.read(answers.root(), 1);
            if (answers.failed(0)) {
                throw JobException.input(answers.error(0).message());
            }
            RequestError incomplete = options.requireComplete() ? answers.incomplete(0) : null;
            if (incomplete != null) {
                throw JobException.input(incomplete.message());
            }
            if (answers.text(0) == null) {
                throw JobException.input(
                        "there is no answer in words: the model has ended with " + answers.finishReason(0));
            }
            return answers.text(0);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while the prompt was answered", e);
        }
    }
}
