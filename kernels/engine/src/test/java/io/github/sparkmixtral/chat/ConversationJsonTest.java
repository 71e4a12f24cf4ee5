package io.github.sparkmixtral.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

class ConversationJsonTest {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private static JsonNode json(String text) {
        try {
            return MAPPER.readTree(text.replace('\'', '"'));
        } catch (IOException e) {
            throw new IllegalArgumentException(text, e);
        }
    }

    private static void isRefused(String messages, String message) {
        isRefused(json(messages), null, message);
    }

    private static void isRefused(JsonNode messages, JsonNode tools, String message) {
        assertThatExceptionOfType(ChatException.class)
                .isThrownBy(() -> Conversation.ofJson(messages, tools))
                .withMessage(message);
    }

    @Test
    void readsMessages() {
        Conversation conversation = Conversation.ofJson(
                json("[{'role': 'system', 'content': 'S'}, {'role': 'user', 'content': 'a', 'name': 'Ann', 'extra': 1},"
                        + "{'role': 'assistant', 'content': null, 'tool_calls': [{'id': 'i', 'type': 'function',"
                        + " 'function': {'name': 'f', 'arguments': '{}'}}, {'function': {'name': 'g', 'arguments': {'x': [1, 2.0]}}}]},"
                        + "{'role': 'tool', 'content': 'r', 'tool_call_id': 'i', 'name': 'f'}]"),
                null);

        assertThat(conversation.tools()).isEmpty();
        assertThat(conversation.messages())
                .usingRecursiveFieldByFieldElementComparatorIgnoringFields("json")
                .containsExactly(
                        new ChatMessage(Role.SYSTEM, "S"),
                        new ChatMessage(Role.USER, "a", List.of(), null, "Ann"),
                        new ChatMessage(
                                Role.ASSISTANT,
                                null,
                                List.of(new ToolCall("i", "f", "{}"), new ToolCall(null, "g", "{\"x\": [1, 2.0]}")),
                                null,
                                null),
                        new ChatMessage(Role.TOOL, "r", List.of(), "i", "f"));
    }

    @Test
    void joinsTextPartsByABlankLine() {
        Conversation conversation = Conversation.ofJson(
                json("[{'role': 'user', 'content': [{'type': 'text', 'text': 'a'}, {'type': 'text', 'text': ''},"
                        + " {'type': 'text', 'text': 'b'}]}]"),
                null);

        assertThat(conversation.messages().getFirst().content()).isEqualTo("a\n\nb");
    }

    @Test
    void readsTools() {
        Conversation conversation = Conversation.ofJson(
                json("[]"),
                json(
                        "[{'type': 'function', 'function': {'name': 'f', 'description': 'd', 'parameters': {'type': 'object'}}},"
                                + " {'function': {'name': 'g', 'strict': true}}]"));

        assertThat(conversation.tools())
                .usingRecursiveFieldByFieldElementComparatorIgnoringFields("json")
                .containsExactly(new Tool("f", "d", json("{'type': 'object'}")), new Tool("g", "", json("{}")));
        assertThat(conversation.tools().get(1).json())
                .as("as a chat template sees it")
                .isEqualTo(json("{'function': {'name': 'g', 'strict': true}}"));
    }

    @Test
    void refusesWhatIsNoListOfMessages() {
        isRefused((JsonNode) null, null, "messages: is missing; it must be an array");
        isRefused("'text'", "messages: is a string; it must be an array");
        isRefused("{'role': 'user'}", "messages: is an object; it must be an array");
        isRefused("[{'role': 'user', 'content': 'a'}, 'b']", "messages[1]: is a string; it must be an object");
        isRefused("[null]", "messages[0]: is null; it must be an object");
    }

    @Test
    void refusesBadRoles() {
        isRefused("[{'content': 'a'}]", "messages[0].role: is missing; it must be a string");
        isRefused("[{'role': 3}]", "messages[0].role: is a number; it must be a string");
        isRefused(
                "[{'role': 'narrator', 'content': 'a'}]",
                "messages[0].role: \"narrator\" is no role; use system, user, assistant or tool");
    }

    @Test
    void readsConversationsOfShareGpt() {
        assertThat(Conversation.ofJson(
                                json("[{'from': 'system', 'value': 'a'}, {'from': 'human', 'value': 'b'},"
                                        + " {'from': 'gpt', 'value': 'c'}]"),
                                null)
                        .messages())
                .containsExactly(
                        new ChatMessage(Role.SYSTEM, "a"),
                        new ChatMessage(Role.USER, "b"),
                        new ChatMessage(Role.ASSISTANT, "c"));
    }

    @Test
    void refusesBadSpeakers() {
        isRefused("[{'from': 'cat', 'value': 'a'}]", "messages[0].from: \"cat\" is nobody; use system, human or gpt");
        isRefused("[{'from': 'human'}]", "messages[0].value: is missing; it must be a string");
    }

    @Test
    void refusesBadContents() {
        isRefused("[{'role': 'user'}]", "messages[0].content: is missing; it must be a string");
        isRefused("[{'role': 'user', 'content': null}]", "messages[0].content: is null; it must be a string");
        isRefused("[{'role': 'assistant', 'content': null}]", "messages[0].content: is null; it must be a string");
        isRefused("[{'role': 'user', 'content': 7}]", "messages[0].content: is a number; it must be a string");
        isRefused("[{'role': 'user', 'content': {}}]", "messages[0].content: is an object; it must be a string");
        isRefused("[{'role': 'user', 'content': ['a']}]", "messages[0].content[0]: is a string; it must be an object");
        isRefused(
                "[{'role': 'user', 'content': [{'type': 'text', 'text': 'a'}, {'type': 'image_url'}]}]",
                "messages[0].content[1].type: \"image_url\" cannot be given to a text model; use \"text\"");
        isRefused(
                "[{'role': 'user', 'content': [{'type': 'text', 'text': false}]}]",
                "messages[0].content[0].text: is a boolean; it must be a string");
    }

    @Test
    void refusesBadToolCalls() {
        String start = "[{'role': 'assistant', 'tool_calls': ";
        isRefused(start + "{}}]", "messages[0].tool_calls: is an object; it must be an array");
        isRefused(start + "[{}]}]", "messages[0].tool_calls[0].function: is missing; it must be an object");
        isRefused(
                start + "[{'type': 'code', 'function': {}}]}]",
                "messages[0].tool_calls[0].type: \"code\" is not known; use \"function\"");
        isRefused(
                start + "[{'function': {'name': 'f', 'arguments': [1]}}]}]",
                "messages[0].tool_calls[0].function.arguments: is an array; it must be a string");
        isRefused(
                "[{'role': 'tool', 'content': 'a', 'tool_call_id': 5}]",
                "messages[0].tool_call_id: is a number; it must be a string");
    }

    @Test
    void refusesBadTools() {
        isRefused(json("[]"), json("{}"), "tools: is an object; it must be an array");
        isRefused(json("[]"), json("[{'type': 'function'}]"), "tools[0].function: is missing; it must be an object");
        isRefused(json("[]"), json("[{'function': {}}]"), "tools[0].function.name: is missing; it must be a string");
    }
}
