package io.github.sparkmixtral.job.input;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.job.options.PromptTemplate;
import io.github.sparkmixtral.service.RowRequest;
import io.github.sparkmixtral.service.RowRequest.Field;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Where passages go in what a row asks. */
class ContextQuestionTest {
    private static final JsonMapper JSON = new JsonMapper();

    private static RowRequest messages(String json, boolean asText) throws Exception {
        Field messages = new Field("messages", asText ? TextNode.valueOf(json) : JSON.readTree(json));
        return new RowRequest("a", null, new Field("prompt", null), messages, null, Map.of());
    }

    @Test
    void thePassagesStandBeforeTheQuestion() {
        Field prompt = new Field("prompt", TextNode.valueOf("How many {braces}?"));
        RowRequest request = new RowRequest("a", null, prompt, new Field("messages", null), null, Map.of());
        String text = ContextQuestion.of("braces", "How many {braces}?")
                .asked(request, "[1] A {context} has two.")
                .prompt()
                .value()
                .textValue();
        assertThat(text)
                .startsWith("Context information is below.\n-----\n[1] A {context} has two.\n-----\n")
                .endsWith("Question: How many {braces}?\nAnswer:");
    }

    @Test
    void onlyTheLastMessageOfTheUserChanges() throws Exception {
        String json =
                "[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"one\"},{\"role\":\"assistant\","
                        + "\"content\":\"1\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"two\"},{\"type\":\"text\",\"text\":\"three\"}]},"
                        + "{\"role\":\"assistant\",\"content\":\"primer\"}]";
        for (boolean asText : new boolean[] {false, true}) {
            RowRequest request = messages(json, asText);
            LastUserMessage last = LastUserMessage.of(request.messages().value());
            assertThat(last.text()).isEqualTo("two\n\nthree");
            ContextQuestion question = new ContextQuestion("q", PromptTemplate.parse("<{context}> two"));
            String expected = json.replaceFirst("\\[\\{\"type\".*?\\]", "\"<P> two\"");
            assertThat(question.asked(request, "P").messages().value()).isEqualTo(JSON.readTree(expected));
        }
    }

    @Test
    void whatIsNoConversationIsLeftToItsOwnError() throws Exception {
        assertThat(LastUserMessage.of(JSON.readTree("[]"))).isNull();
        assertThat(LastUserMessage.of(JSON.readTree("{}"))).isNull();
        assertThat(LastUserMessage.of(TextNode.valueOf("no json"))).isNull();
        assertThat(LastUserMessage.of(JSON.readTree("[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]")))
                .isNull();
        assertThat(LastUserMessage.of(JSON.readTree(
                                "[{\"from\":\"human\",\"value\":\"x\"},{\"from\":\"gpt\",\"value\":\"y\"}]"))
                        .text())
                .isEqualTo("x");
    }

    @Test
    void templatesAreFilledButForThePassages() {
        PromptTemplate filled = PromptTemplate.parse("{a}{context}{{b}}{a}").fillAllBut("context", _ -> "{x}");
        assertThat(filled.columns()).containsExactly("context");
        assertThat(filled.fill(_ -> "P")).isEqualTo("{x}P{b}{x}");
    }
}
