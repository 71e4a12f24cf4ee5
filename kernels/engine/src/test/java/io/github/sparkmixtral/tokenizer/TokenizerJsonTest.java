package io.github.sparkmixtral.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.file.ModelException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Faults of a {@code tokenizer.json}, each in a small file that is right in everything else. */
class TokenizerJsonTest {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private Path file;
    private ObjectNode root;

    @BeforeEach
    void readBase(@TempDir Path directory) throws IOException {
        file = directory.resolve("tokenizer.json");
        root = (ObjectNode)
                MAPPER.readTree(Files.readAllBytes(GoldenFile.file("/golden/tokenizer/variants/base.json")));
    }

    private ObjectNode model() {
        return (ObjectNode) root.get("model");
    }

    private ObjectNode vocabulary() {
        return (ObjectNode) model().get("vocab");
    }

    private Tokenizer load() throws IOException {
        Files.write(file, MAPPER.writeValueAsBytes(root));
        return Tokenizer.ofJson(file);
    }

    private void isRefused(String message) throws IOException {
        Files.write(file, MAPPER.writeValueAsBytes(root));
        isRefusedAsWritten(message);
    }

    private void isRefusedAsWritten(String message) {
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> Tokenizer.ofJson(file))
                .withMessageContaining(file.toString())
                .withMessageContaining(message)
                .withMessageNotContaining("\n");
    }

    private static JsonNode json(String text) throws IOException {
        return MAPPER.readTree(text);
    }

    @Test
    void readsSpecialTokensFromTheConfigBesideIt() throws IOException {
        assertThat(load().eosTokenId()).isEqualTo(2);

        Files.writeString(
                file.resolveSibling("tokenizer_config.json"),
                "{\"bos_token\": {\"content\": \"<s>\"}, \"eos_token\": \"the\", \"unk_token\": null}");
        vocabulary().put("the", vocabulary().size());
        Tokenizer tokenizer = load();

        assertThat(tokenizer.bosTokenId()).isEqualTo(1);
        assertThat(tokenizer.eosTokenId()).isEqualTo(vocabulary().get("the").asInt());
        assertThat(tokenizer.isControl(tokenizer.eosTokenId())).isTrue();
        assertThat(tokenizer.unknownTokenId()).isZero();
    }

    @Test
    void needsNoNameForTheUnknownToken() throws IOException {
        model().putNull("unk_token");

        assertThat(load().unknownTokenId()).isZero();
    }

    @Test
    void passesOverGapsBetweenIds() throws IOException {
        vocabulary().put("far", 5000);
        Tokenizer tokenizer = load();

        assertThat(tokenizer.vocabularySize()).isEqualTo(5001);
        assertThat(tokenizer.decode(new int[] {4000, 5000, 4999})).isEqualTo("far");
    }

    @Test
    void refusesWhatIsNoJson() throws IOException {
        Files.writeString(file, "{\"model\": ");
        isRefusedAsWritten("is not valid JSON: ");
        Files.writeString(file, "[]");
        isRefusedAsWritten("is not a JSON object");
        Files.writeString(file, "");
        isRefusedAsWritten("is not a JSON object");
        Files.writeString(file, "{\"model\": 1, \"model\": 2}");
        isRefusedAsWritten("Duplicate field 'model'");
        Files.writeString(file, "[".repeat(100_000));
        isRefusedAsWritten("nesting depth");
    }

    @Test
    void refusesAMissingFile() {
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> Tokenizer.ofJson(file))
                .withMessage("there is no tokenizer file " + file);
    }

    @Test
    void refusesADamagedConfigBesideIt() throws IOException {
        Path config = file.resolveSibling("tokenizer_config.json");
        Files.writeString(config, "{");
        Files.write(file, MAPPER.writeValueAsBytes(root));
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> Tokenizer.ofJson(file))
                .withMessageStartingWith(config + " is not valid JSON: ");

        Files.writeString(config, "{\"eos_token\": \"<end>\"}");
        isRefused(
                "eos_token in tokenizer_config.json wants \"<end>\", which is neither in model.vocab nor in added_tokens");
    }

    @Test
    void refusesOtherModels() throws IOException {
        model().put("type", "Unigram");
        isRefused("model.type is \"Unigram\", where this program takes \"BPE\"");
        root.put("model", 3);
        isRefused("model is 3, where this program takes an object");
        root.remove("model");
        isRefused("model is missing");
    }

    @Test
    void refusesOptionsThatWouldChangeTheResult() throws IOException {
        for (String option : new String[] {
            "\"ignore_merges\": true",
            "\"dropout\": 0.1",
            "\"continuing_subword_prefix\": \"##\"",
            "\"end_of_word_suffix\": \"</w>\"",
            "\"byte_fallback\": 1"
        }) {
            readBase(file.getParent());
            model().setAll((ObjectNode) json("{" + option + "}"));
            isRefused(
                    "model." + option.replace("\"", "").replaceAll(":.*", "") + " is " + option.replaceAll(".*: ", ""));
        }
    }

    @Test
    void refusesOtherNormalizersAndPreTokenizers() throws IOException {
        root.set("normalizer", json("{\"type\": \"NFKC\"}"));
        isRefused("normalizer is {\"type\":\"NFKC\"}, where this program takes Prepend \"▁\" with Replace");
        root.set("normalizer", json("{\"type\": \"Prepend\", \"prepend\": \"▁\"}"));
        isRefused("normalizer is {\"type\":\"Prepend\"");
        root.putNull("normalizer");
        root.set("pre_tokenizer", json("{\"type\": \"ByteLevel\"}"));
        isRefused("pre_tokenizer is {\"type\":\"ByteLevel\"}, where this program takes null or Metaspace");
        root.set("pre_tokenizer", json("{\"type\": \"Metaspace\", \"replacement\": \"_\"}"));
        isRefused("pre_tokenizer.replacement is \"_\"");
        root.set(
                "pre_tokenizer",
                json("{\"type\": \"Metaspace\", \"replacement\": \"▁\", \"prepend_scheme\": \"sometimes\"}"));
        isRefused(
                "pre_tokenizer.prepend_scheme is \"sometimes\", where this program takes \"always\", \"first\" or \"never\"");
        root.set("pre_tokenizer", json("{\"type\": \"Metaspace\", \"replacement\": \"▁\"}"));
        root.set("normalizer", json("{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"▁\"}"));
        isRefused("where this program takes null beside the pre_tokenizer Metaspace");
    }

    @Test
    void refusesOtherDecoders() throws IOException {
        root.putNull("decoder");
        isRefused("decoder is null, where this program takes Replace");
        root.set("decoder", json("{\"type\": \"Metaspace\"}"));
        isRefused("decoder is {\"type\":\"Metaspace\"}");
        readBase(file.getParent());
        ((ObjectNode) root.get("decoder").get("decoders").get(3)).put("start", 2);
        isRefused(
                "decoder is {\"type\":\"Strip\",\"content\":\" \",\"start\":2,\"stop\":0}, where this program takes Strip of one space");
    }

    @Test
    void refusesBadVocabularies() throws IOException {
        vocabulary().put("new", 5);
        isRefused("model.vocab[\"new\"] is 5, the id of another piece");
        vocabulary().put("new", -1);
        isRefused("model.vocab[\"new\"] is -1, where this program takes an id from 0");
        vocabulary().put("new", 2_000_000_000);
        isRefused("model.vocab[\"new\"] is 2000000000");
        vocabulary().put("new", "5");
        isRefused("model.vocab[\"new\"] is \"5\"");
        vocabulary().remove("new");
        vocabulary().put("", 10_000);
        isRefused("model.vocab has an empty piece");
        model().putObject("vocab");
        isRefused("model.vocab is {}, where this program takes an object from pieces to ids");
    }

    @Test
    void refusesMissingPieces() throws IOException {
        vocabulary().remove("<0x0A>");
        isRefused("model.byte_fallback is true, but model.vocab lacks the byte piece <0x0A>");
        readBase(file.getParent());
        model().put("unk_token", "<none>");
        isRefused("model.unk_token wants \"<none>\", which is neither in model.vocab nor in added_tokens");
    }

    @Test
    void refusesBadMerges() throws IOException {
        ArrayNode merges = (ArrayNode) model().get("merges");
        for (String merge :
                new String[] {"\"a\"", "\"a b c\"", "\" a\"", "[\"a\"]", "[\"a\", 1]", "7", "{\"a\": 1, \"b\": 2}"}) {
            merges.set(0, json(merge));
            isRefused("model.merges[0] is " + json(merge) + ", where this program takes two pieces");
        }
        merges.set(0, json("[\"a\", \"no such piece\"]"));
        isRefused("model.merges[0] wants \"no such piece\"");
        vocabulary().put("<0x0A>a", 4000);
        merges.set(0, json("[\"<0x0A>\", \"a\"]"));
        isRefused("model.merges[0] merges \"<0x0A>\" and \"a\", of which one is a byte or special token");
        model().put("merges", "a b");
        isRefused("model.merges is \"a b\", where this program takes an array of pairs");
    }

    @Test
    void refusesBadAddedTokens() throws IOException {
        ArrayNode added = (ArrayNode) root.get("added_tokens");
        added.add(json("{\"id\": 900, \"content\": \"x y\", \"special\": false, \"lstrip\": true}"));
        isRefused("added_tokens[3].lstrip is true, where this program takes false for a token that is not special");
        added.set(3, json("{\"id\": 3, \"content\": \"x y\"}"));
        isRefused("added_tokens[3].id is 3, the id of another piece");
        added.set(3, json("{\"id\": 900, \"content\": \"<s>\"}"));
        isRefused("added_tokens[3].id is 900, but model.vocab has 1");
        added.set(3, json("{\"id\": 900}"));
        isRefused("added_tokens[3].content is missing");
        added.set(3, json("{\"content\": \"x y\"}"));
        isRefused("added_tokens[3].id is missing");
        root.put("added_tokens", true);
        isRefused("added_tokens is true, where this program takes an array");
    }

    @Test
    void refusesByteTokensAsSpecialTokens() throws IOException {
        ((ArrayNode) root.get("added_tokens")).add(json("{\"id\": 13, \"content\": \"<0x0A>\", \"special\": true}"));

        isRefused("added_tokens[3] makes the byte piece <0x0A> a special token, which any text could then become");
    }

    @Test
    void neverLetsAMergeMakeASpecialToken() throws IOException {
        vocabulary().put("<", 4000).put("s>", 4001);
        ((ArrayNode) model().get("merges")).add("< s>");

        Tokenizer tokenizer = load();

        assertThat(tokenizer.encode("<s>")).doesNotContain(tokenizer.bosTokenId());
    }
}
