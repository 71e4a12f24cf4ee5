package io.github.sparkmixtral.job.inference;

import io.github.sparkmixtral.job.input.Passage;
import io.github.sparkmixtral.job.input.PromptRow;
import io.github.sparkmixtral.job.options.ContextRetrieval;
import io.github.sparkmixtral.job.retrieval.ContextIndex;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;

/**
 * Finds passages for rows, and puts them into their prompts, numbered from 1, a passage to a paragraph.
 *
 * @param tokenizer counts what the passages take
 * @param maxTokens that they may take
 */
record RowContexts(ContextRetrieval retrieval, ContextIndex index, Tokenizer tokenizer, int maxTokens) {
    /** What stands in a prompt for which nothing was found. */
    static final String NOTHING = "(no passage was found)";

    /**
     * The row with the passages found for it.
     *
     * @param vector the embedding of its question; null where none is needed
     */
    PromptRow with(PromptRow row, float[] vector) {
        if (row.question() == null || row.request() == null) {
            return row;
        }
        List<Passage> found = index.search(row.question().query(), vector, retrieval.passages(), retrieval.mode());
        List<Passage> used = new ArrayList<>();
        StringBuilder text = new StringBuilder();
        int left = maxTokens;
        for (Passage passage : found) {
            String numbered = "[" + (used.size() + 1) + "] " + passage.text();
            left -= tokenizer.encode(numbered).length;
            if (left < 0) {
                break;
            }
            text.append(used.isEmpty() ? "" : "\n").append(numbered);
            used.add(passage);
        }
        return row.with(used, used.isEmpty() ? NOTHING : text.toString());
    }

    /** The passages as a row of the output has them. */
    static Row[] column(List<Passage> passages) {
        return passages.stream()
                .map(passage -> RowFactory.create(passage.id(), passage.score(), passage.text()))
                .toArray(Row[]::new);
    }
}
