package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.job.options.PromptTemplate;
import io.github.sparkmixtral.service.RowRequest;
import io.github.sparkmixtral.service.RowRequest.Field;

/**
 * What is searched for to answer a row, and the text that what is found goes into.
 *
 * @param frame names no column but {@link PromptTemplate#CONTEXT}
 */
public record ContextQuestion(String query, PromptTemplate frame) {
    /** For rows that bring a prompt and no template. */
    private static final PromptTemplate DEFAULT = PromptTemplate.parse(
            "Context information is below.\n-----\n{context}\n"
                    + "-----\nGiven the context and not prior knowledge, answer the question.\nQuestion: {question}\nAnswer:");

    /** A question with the passages before it, in a text of ours. */
    static ContextQuestion of(String query, String question) {
        return new ContextQuestion(query, DEFAULT.fillAllBut(PromptTemplate.CONTEXT, _ -> question));
    }

    /** The row's request with passages in its prompt, or in its last user message. */
    public RowRequest asked(RowRequest request, String passages) {
        String text = frame.fill(_ -> passages);
        LastUserMessage message = request.messages() == null
                ? null
                : LastUserMessage.of(request.messages().value());
        Field prompt = request.prompt();
        return message == null
                ? request.with(new Field(prompt.name(), TextNode.valueOf(text)), request.messages())
                : request.with(prompt, new Field(request.messages().name(), message.with(text)));
    }
}
