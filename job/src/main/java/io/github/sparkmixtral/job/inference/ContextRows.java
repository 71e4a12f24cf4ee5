package io.github.sparkmixtral.job.inference;

import io.github.sparkmixtral.engine.Pooling;
import io.github.sparkmixtral.job.options.ContextRetrieval;
import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.job.retrieval.ContextIndex;
import io.github.sparkmixtral.job.retrieval.LocatedIndex;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Rows of one task, and what they ask with passages in it. Index and engine are opened for the first row, and closed with the task.
 */
final class ContextRows implements Iterator<Asked> {
    private static final Logger LOG = LoggerFactory.getLogger(ContextRows.class);

    private final GenerationOptions options;
    private final LocatedIndex index;
    private final Configuration configuration;
    private final Iterator<Asked> rows;
    private Iterator<Asked> found;

    ContextRows(GenerationOptions options, LocatedIndex index, Configuration configuration, Iterator<Asked> rows) {
        this.options = options;
        this.index = index;
        this.configuration = configuration;
        this.rows = rows;
    }

    @Override
    public boolean hasNext() {
        return found == null ? rows.hasNext() : found.hasNext();
    }

    @Override
    public Asked next() {
        if (found == null) {
            found = found();
        }
        return found.next();
    }

    /** Where questions have to be embedded first, the engine does so for the next rows while it answers others. */
    private Iterator<Asked> found() {
        try {
            RowContexts contexts = open();
            if (contexts.retrieval().mode().needsVectors()) {
                Pooling pooling =
                        Pooling.valueOf(index.descriptor().vectors().pooling().toUpperCase(Locale.ROOT));
                return new AnsweredRows<>(
                        GenerationOptions.embeddings(options.engine(), pooling),
                        configuration,
                        RunLimits.NONE,
                        new QuestionEmbeddings(contexts),
                        rows);
            }
            return new Iterator<>() {
                @Override
                public boolean hasNext() {
                    return rows.hasNext();
                }

                @Override
                public Asked next() {
                    Asked asked = rows.next();
                    return new Asked(asked.row(), contexts.with(asked.prompt(), null));
                }
            };
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while the engine was opened", e);
        }
    }

    private RowContexts open() throws InterruptedException {
        ContextRetrieval retrieval = options.columns().context();
        ContextIndex opened = index.open(options.engine().models(configuration, LOG::info));
        closeWithTask(opened);
        try (ExecutorEngine.Lease engine = ExecutorEngine.lease(options.engine(), List.of(), configuration)) {
            int longest = options.engine().maxModelLen() > 0
                    ? options.engine().maxModelLen()
                    : engine.model().config().maxPositions();
            int most = retrieval.maxTokens() > 0 ? retrieval.maxTokens() : longest / 2;
            return new RowContexts(retrieval, opened, engine.model().tokenizer(), most);
        }
    }

    static void closeWithTask(ContextIndex index) {
        TaskContext.get().addTaskCompletionListener((TaskCompletionListener) _ -> close(index));
    }

    private static void close(ContextIndex index) {
        try {
            index.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
