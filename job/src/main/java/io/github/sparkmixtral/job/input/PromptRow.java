package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.service.RowRequest;
import java.util.List;
import java.util.Map;

/**
 * One input row and what it asks for.
 *
 * @param id null only where a table's row has none
 * @param idGiven whether the row gave it, rather than file and position
 * @param location {@code prompts.jsonl line 17}, for messages; empty for a table
 * @param request not yet checked; null where there is an error, or the row asks for nothing
 * @param error why there is no request; null where there is one
 * @param open the row's values in columns that may hold parameters or data; none if its request is a batch's, which has its own
 * @param question for which passages are to be found; null where none are
 * @param passages that stand in the request
 */
public record PromptRow(
        String id,
        boolean idGiven,
        String location,
        RowRequest request,
        RequestError error,
        Map<String, JsonNode> open,
        ContextQuestion question,
        List<Passage> passages) {

    /** A row without passages. */
    public PromptRow(
            String id,
            boolean idGiven,
            String location,
            RowRequest request,
            RequestError error,
            Map<String, JsonNode> open) {
        this(id, idGiven, location, request, error, open, null, List.of());
    }

    PromptRow about(ContextQuestion asked) {
        return new PromptRow(id, idGiven, location, request, error, open, asked, passages);
    }

    /**
     * The same with passages in its request.
     *
     * @param text how they stand there
     */
    public PromptRow with(List<Passage> found, String text) {
        RowRequest asked = question.asked(request, text);
        return new PromptRow(id, idGiven, location, asked, null, open, question, found);
    }

    /** The same with an error in place of its request. */
    public PromptRow refused(RequestError reason) {
        return new PromptRow(id, idGiven, location, null, reason, open, question, List.of());
    }
}
