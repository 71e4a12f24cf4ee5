package io.github.sparkmixtral.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.github.sparkmixtral.tokenizer.Tokenizers;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What golden conversations do not show: the versions, primers, and every conversation that is refused. */
class ChatFormatTest {
    private static final ChatFormat V1 = ChatFormat.of(Tokenizers.V1);
    private static final ChatFormat V3 = ChatFormat.of(Tokenizers.V3);
    private static final ToolCall CALL = new ToolCall("a1B2c3D4e", "search", "{}");
    private static final Tool TOOL = new Tool("search", "", JsonNodeFactory.instance.objectNode());

    private static ChatMessage system(String text) {
        return new ChatMessage(Role.SYSTEM, text);
    }

    private static ChatMessage user(String text) {
        return new ChatMessage(Role.USER, text);
    }

    private static ChatMessage assistant(String text) {
        return new ChatMessage(Role.ASSISTANT, text);
    }

    private static ChatMessage calls(ToolCall... calls) {
        return new ChatMessage(Role.ASSISTANT, null, List.of(calls), null, null);
    }

    private static ChatMessage result(String callId) {
        return new ChatMessage(Role.TOOL, "{}", List.of(), callId, "search");
    }

    private static void isRefused(String message, ChatMessage... messages) {
        assertThatExceptionOfType(ChatException.class)
                .isThrownBy(() -> V3.render(List.of(messages), List.of()))
                .withMessage(message);
    }

    @Test
    void tellsTheVersionByTheVocabulary() {
        assertThat(V1.name()).isEqualTo("mistral-v1");
        assertThat(V3.name()).isEqualTo("mistral-v3");
    }

    @Test
    void putsAPlainPromptBetweenInstructionMarks() {
        assertThat(V1.render(Conversation.ofPrompt("Hello")))
                .containsExactly(1, 733, 16289, 28793, 22557, 733, 28748, 16289, 28793);
        assertThat(V3.render(Conversation.ofPrompt("Hello"))).containsExactly(1, 3, 23325, 4);
    }

    @Test
    void leavesAPrimerOpen() {
        List<ChatMessage> primed = List.of(user("Hello"), assistant("Sure:"));
        List<ChatMessage> answered = List.of(user("Hello"), assistant("Sure:"), user("Go on"));

        for (ChatFormat format : List.of(V1, V3)) {
            int[] tokens = format.render(primed, List.of());
            assertThat(tokens).doesNotContain(2);
            assertThat(format.render(answered, List.of())).startsWith(tokens).containsOnlyOnce(2);
        }
        assertThat(new Conversation(primed, List.of()).endsWithPrimer()).isTrue();
        assertThat(new Conversation(answered, List.of()).endsWithPrimer()).isFalse();
    }

    @Test
    void putsTheSystemTextIntoTheFirstOrTheLastUserMessage() {
        List<ChatMessage> messages = List.of(system("S"), user("a"), assistant("b"), user("c"));
        List<ChatMessage> first = List.of(user("S\n\na"), assistant("b"), user("c"));
        List<ChatMessage> last = List.of(user("a"), assistant("b"), user("S\n\nc"));

        assertThat(V1.render(messages, List.of())).isEqualTo(V1.render(first, List.of()));
        assertThat(V3.render(messages, List.of())).isEqualTo(V3.render(last, List.of()));
    }

    @Test
    void addsASystemMessageWhereThereIsNone() {
        Conversation plain = Conversation.ofPrompt("a");
        Conversation extended = plain.withSystem("S");

        assertThat(extended.messages()).containsExactly(system("S"), user("a"));
        assertThat(extended.withSystem("other")).isEqualTo(extended);
        assertThat(plain.withSystem("")).isEqualTo(plain);
    }

    @Test
    void putsTheSafePromptBeforeTheSystemText() {
        String safe = Conversation.SAFE_PROMPT;
        Conversation plain = Conversation.ofPrompt("a");

        assertThat(plain.withSafePrompt().messages()).containsExactly(system(safe), user("a"));
        assertThat(plain.withSystem("S").withSafePrompt().messages())
                .containsExactly(system(safe + "\n\nS"), user("a"));
        assertThat(new Conversation(List.of(system(""), user("a")), List.of())
                        .withSafePrompt()
                        .messages())
                .containsExactly(system(safe), user("a"));
        assertThat(new Conversation(List.of(), List.of()).withSafePrompt().messages())
                .containsExactly(system(safe));
    }

    @Test
    void refusesAnEmptyList() {
        isRefused("messages: is empty; give at least one user message");
    }

    @Test
    void refusesEmptyAndMissingTexts() {
        isRefused("messages[0].content: is empty; give the message's text", user(""));
        isRefused("messages[0].content: is null; give the message's text", user(null));
        isRefused("messages[0].content: is null; give the message's text", system(null), user("a"));
        isRefused("messages[1].content: is empty; give the message's text", user("a"), assistant(""));
        isRefused("messages[1].content: is null; give the message's text", user("a"), assistant(null));
    }

    @Test
    void refusesTwoTurnsOfTheSameRole() {
        isRefused(
                "messages[1].role: user follows user; put the assistant's answer between them, or join the two into one message",
                user("a"),
                user("b"));
        isRefused(
                "messages[2].role: assistant follows assistant; put the user's message between them, or join the two into one message",
                user("a"),
                assistant("b"),
                assistant("c"));
    }

    @Test
    void refusesAConversationThatDoesNotBeginWithTheUser() {
        String message = "the assistant cannot speak first; put a user message before it";
        isRefused("messages[0].role: " + message, assistant("a"), user("b"));
        isRefused("messages[1].role: " + message, system("S"), assistant("a"), user("b"));
    }

    @Test
    void refusesASystemMessageElsewhereOrAlone() {
        String message = "a system message can only be the first message; put it there";
        isRefused("messages[1].role: " + message, user("a"), system("S"));
        isRefused("messages[1].role: " + message, system("S"), system("T"), user("a"));
        isRefused("messages[0].role: there is only a system message; add a user message", system("S"));
    }

    @Test
    void refusesResultsWithoutACall() {
        String message =
                "a tool's result without a call; put an assistant message with tool_calls before it, one call for each result";
        isRefused("messages[0].role: " + message, result("a1B2c3D4e"));
        isRefused("messages[1].role: " + message, user("a"), result("a1B2c3D4e"));
        isRefused("messages[3].role: " + message, user("a"), calls(CALL), result(CALL.id()), result(CALL.id()));
        isRefused(
                "messages[2].tool_call_id: \"other\" is none of the calls that wait for a result, which are [a1B2c3D4e]",
                user("a"),
                calls(CALL),
                result("other"));
        isRefused(
                "messages[2].tool_call_id: is missing; give the id of the call that is answered, one of [a1B2c3D4e]",
                user("a"),
                calls(CALL),
                result(null));
    }

    @Test
    void refusesCallsWithoutAResult() {
        isRefused(
                "messages[1].role: the tool calls [a1B2c3D4e] have no result yet; add a tool message for each of them",
                user("a"),
                calls(CALL));
        isRefused(
                "messages[2].role: the tool calls [a1B2c3D4e] have no result yet; put a tool message for each of them before it",
                user("a"),
                calls(CALL),
                user("b"));
    }

    @Test
    void refusesBadCalls() {
        isRefused(
                "messages[1].tool_calls[0].id: is \"call_1\"; the model knows only ids of nine letters or digits, such as \"a1B2c3D4e\"",
                user("a"),
                calls(new ToolCall("call_1", "f", "{}")));
        isRefused(
                "messages[1].tool_calls[1].id: \"a1B2c3D4e\" is the id of an earlier call of the message; give each call its own",
                user("a"),
                calls(CALL, CALL));
        isRefused(
                "messages[1].tool_calls[0].function.name: is \"a b\"; a function's name is 1 to 64 letters, digits, underscores and dashes",
                user("a"),
                calls(new ToolCall("a1B2c3D4e", "a b", "{}")));
        isRefused(
                "messages[1].content: an assistant message has either content or tool_calls, not both; leave one of them out",
                user("a"),
                new ChatMessage(Role.ASSISTANT, "text", List.of(CALL), null, null));
        isRefused(
                "messages[0].tool_calls: only the assistant calls tools, not the user",
                new ChatMessage(Role.USER, "a", List.of(CALL), null, null));
    }

    @Test
    void refusesBadTools() {
        assertThatExceptionOfType(ChatException.class)
                .isThrownBy(() -> V3.render(List.of(user("a")), List.of(TOOL, new Tool("", "", TOOL.parameters()))))
                .withMessage(
                        "tools[1].function.name: is \"\"; a function's name is 1 to 64 letters, digits, underscores and dashes");
        assertThatExceptionOfType(ChatException.class)
                .isThrownBy(() ->
                        V3.render(List.of(user("a")), List.of(new Tool("f", "", JsonNodeFactory.instance.arrayNode()))))
                .withMessage("tools[0].function.parameters: must be an object, the JSON schema of the arguments");
    }

    @Test
    void refusesToolsWhereTheTokenizerHasNone() {
        String message =
                ": this model (tokenizer v1) has no tokens for tools; describe them in a message's text instead, or use a "
                        + "model with tokenizer v3, such as Mixtral 8x22B Instruct";
        assertThatExceptionOfType(ChatException.class)
                .isThrownBy(() -> V1.render(List.of(user("a")), List.of(TOOL)))
                .withMessage("tools" + message);
        assertThatExceptionOfType(ChatException.class)
                .isThrownBy(() -> V1.render(List.of(user("a"), calls(CALL), result(CALL.id())), List.of()))
                .withMessage("messages[1].tool_calls" + message);
    }
}
