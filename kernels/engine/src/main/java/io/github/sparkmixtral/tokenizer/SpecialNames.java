package io.github.sparkmixtral.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Names of the tokens that the tokenizer's own file does not tell apart from other special tokens, of {@code tokenizer_config.json} and
 * {@code special_tokens_map.json} beside it; the names of Mistral where neither says.
 */
record SpecialNames(String unknown, String bos, String eos) {

    static SpecialNames beside(Path file) {
        JsonNode config = json(file.resolveSibling("tokenizer_config.json"));
        JsonNode map = json(file.resolveSibling("special_tokens_map.json"));
        return new SpecialNames(
                name("unk_token", config, map, "<unk>"),
                name("bos_token", config, map, "<s>"),
                name("eos_token", config, map, "</s>"));
    }

    static JsonNode json(Path file) {
        return Files.exists(file)
                ? TokenizerJson.parse(file, SentencePieceModel.readFile(file))
                : MissingNode.getInstance();
    }

    private static String name(String key, JsonNode config, JsonNode map, String otherwise) {
        return text(config.path(key), text(map.path(key), otherwise));
    }

    /** A token is its text, or an object with the text as content. */
    static String text(JsonNode token, String otherwise) {
        JsonNode text = token.isObject() ? token.path("content") : token;
        return text.isTextual() && !text.textValue().isEmpty() ? text.textValue() : otherwise;
    }
}
