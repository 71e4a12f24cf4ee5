package io.github.sparkmixtral.chat;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import io.github.sparkmixtral.tokenizer.Tokenizers;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;

/** Holds the instruct format to mistral-common; {@code chat.py} made the golden file. */
class ChatGoldenTest {

    @Test
    void rendersV1AsMistralCommon() throws IOException {
        assertThat(renderAll("v1", Tokenizers.V1)).isGreaterThan(200);
    }

    @Test
    void rendersV3AsMistralCommon() throws IOException {
        assertThat(renderAll("v3", Tokenizers.V3)).isGreaterThan(500);
    }

    private static int renderAll(String version, Tokenizer tokenizer) throws IOException {
        ChatFormat format = ChatFormat.of(tokenizer);
        int rendered = 0;
        for (JsonNode golden : goldens()) {
            if (!golden.get(version).isNull()) {
                int[] expected = new ObjectMapper().treeToValue(golden.get(version), int[].class);
                Conversation conversation = Conversation.ofJson(golden.get("messages"), golden.get("tools"));
                assertThat(format.render(conversation)).as(golden.toString()).isEqualTo(expected);
                rendered++;
            }
        }
        return rendered;
    }

    private static JsonNode goldens() throws IOException {
        try (InputStream file = ChatGoldenTest.class.getResourceAsStream("/golden/chat/conversations.json.gz")) {
            return new ObjectMapper().readTree(new GZIPInputStream(file));
        }
    }
}
