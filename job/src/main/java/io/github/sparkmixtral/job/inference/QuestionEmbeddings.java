package io.github.sparkmixtral.job.inference;

import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.job.input.PromptRow;
import io.github.sparkmixtral.service.RowRequest;
import io.github.sparkmixtral.service.RowRequest.Field;
import io.github.sparkmixtral.service.Task;
import java.util.Map;

/** Has questions embedded, and looks for their passages then. */
record QuestionEmbeddings(RowContexts contexts) implements AnsweredRows.Questions<Asked, Asked> {

    /** What asks for a text's embedding. */
    static RowRequest embedding(String name, String text) {
        return new RowRequest(null, Task.EMBED, new Field(name, TextNode.valueOf(text)), null, null, Map.of());
    }

    @Override
    public PromptRow ask(Asked asked) {
        PromptRow row = asked.prompt();
        boolean searched = row.request() != null && row.question() != null;
        RowRequest request = searched ? embedding("the question", row.question().query()) : null;
        return new PromptRow(row.id(), row.idGiven(), row.location(), request, null, Map.of());
    }

    @Override
    public Asked answered(Asked asked, PromptRow embedded, Answers answers, int index, RequestError incomplete) {
        return new Asked(asked.row(), contexts.with(asked.prompt(), answers.embedding(index)));
    }

    @Override
    public Asked failed(Asked asked, PromptRow embedded, RequestError error) {
        return error == null ? asked : new Asked(asked.row(), asked.prompt().refused(error));
    }
}
