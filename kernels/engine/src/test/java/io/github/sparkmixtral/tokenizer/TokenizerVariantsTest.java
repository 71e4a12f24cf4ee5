package io.github.sparkmixtral.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** What the two formats allow beyond Mistral's own files; {@code tokenizer_variants.py} made the models and the golden file. */
class TokenizerVariantsTest {
    private static final String DIRECTORY = "/golden/tokenizer/variants/";
    private static final ObjectMapper MAPPER = new ObjectMapper();

    @TestFactory
    Iterable<DynamicTest> encodesAsSentencePiece() throws IOException {
        return goldens("models").valueStream().map(variant -> {
            String file = variant.get("file").textValue();
            return DynamicTest.dynamicTest(file, () -> {
                Tokenizer tokenizer = Tokenizer.ofSentencePiece(GoldenFile.file(DIRECTORY + file));
                for (JsonNode testCase : variant.get("cases")) {
                    assertThat(tokenizer.encode(testCase.get(0).textValue()))
                            .as(testCase.get(0).toString())
                            .isEqualTo(ids(testCase.get(1)));
                }
            });
        })::iterator;
    }

    @TestFactory
    Iterable<DynamicTest> encodesAndDecodesAsHuggingFace(@TempDir Path directory) throws IOException {
        Path file = directory.resolve("tokenizer.json");
        return goldens("json").valueStream().map(variant -> {
            String patch = variant.get("patch").toString();
            String name = patch.substring(0, Math.min(patch.length(), 120));
            return DynamicTest.dynamicTest(name, () -> {
                Files.write(file, MAPPER.writeValueAsBytes(patched(variant.get("patch"))));
                Tokenizer tokenizer = Tokenizer.ofJson(file);
                for (JsonNode testCase : variant.get("cases")) {
                    int[] ids = ids(testCase.get(1));
                    assertThat(tokenizer.encode(testCase.get(0).textValue()))
                            .as(testCase.get(0).toString())
                            .isEqualTo(ids);
                    assertThat(tokenizer.decode(ids)).isEqualTo(testCase.get(2).textValue());
                }
            });
        })::iterator;
    }

    /** The base file with the patch's fields in place of its own; those of the model are put into the base's model. */
    private static ObjectNode patched(JsonNode patch) throws IOException {
        ObjectNode base = (ObjectNode) MAPPER.readTree(Files.readAllBytes(GoldenFile.file(DIRECTORY + "base.json")));
        patch.properties().forEach(field -> {
            if (field.getKey().equals("model")) {
                ((ObjectNode) base.get("model")).setAll((ObjectNode) field.getValue());
            } else {
                base.set(field.getKey(), field.getValue());
            }
        });
        return base;
    }

    private static int[] ids(JsonNode node) throws IOException {
        return MAPPER.treeToValue(node, int[].class);
    }

    private static JsonNode goldens(String field) throws IOException {
        try (InputStream file = TokenizerVariantsTest.class.getResourceAsStream(DIRECTORY + "variants.json.gz")) {
            JsonNode goldens = MAPPER.readTree(new GZIPInputStream(file)).get(field);
            assertThat(goldens.size()).isGreaterThan(5);
            return goldens;
        }
    }
}
