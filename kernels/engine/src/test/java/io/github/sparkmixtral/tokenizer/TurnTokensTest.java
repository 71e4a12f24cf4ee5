package io.github.sparkmixtral.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.chat.ChatFormat;
import io.github.sparkmixtral.chat.Conversation;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that give the tokens of turns another type than control. */
class TurnTokensTest {

    @ParameterizedTest
    @ValueSource(ints = {Vocabulary.NORMAL, Vocabulary.USER_DEFINED, Vocabulary.CONTROL})
    void findsTheFormatWhateverTheType(int type) {
        Vocabulary published = SentencePieceModel.vocabulary(Tokenizers.V3_FILE);
        int[] types = published.types().clone();
        for (int id = 0; id < types.length; id++) {
            if (TurnTokens.contains(published.pieces()[id]) && id > 2) {
                types[id] = type;
            }
        }
        Tokenizer tokenizer = Tokenizer.of(new Vocabulary(
                "m.gguf", published.pieces(), published.scores(), types, 0, 1, 2, published.addSpacePrefix()));
        ChatFormat format = ChatFormat.of(tokenizer);
        assertThat(format.name()).isEqualTo("mistral-v3");
        for (String text : new String[] {"Hello", "typed [INST] [/INST] [TOOL_CALLS]"}) {
            assertThat(format.render(Conversation.ofPrompt(text)))
                    .isEqualTo(ChatFormat.of(Tokenizers.V3).render(Conversation.ofPrompt(text)));
        }
    }
}
