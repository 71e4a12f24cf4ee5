package io.github.sparkmixtral.service;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.charset.StandardCharsets;

/** Reads the JSON in a row's columns. */
final class Json {
    private static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();
    private static final int EXCERPT_LENGTH = 80;

    private Json() {}

    /**
     * Parses a whole column.
     *
     * @throws IllegalArgumentException naming the column and the place
     */
    static JsonNode parse(String column, String json) {
        try {
            JsonNode node = MAPPER.readTree(json);
            if (node.isMissingNode()) {
                throw new IllegalArgumentException(column + " is empty where JSON is wanted");
            }
            return node;
        } catch (JsonProcessingException invalid) {
            String place = invalid.getLocation() == null
                    ? ""
                    : " at line " + invalid.getLocation().getLineNr() + ", column "
                            + invalid.getLocation().getColumnNr();
            String reason =
                    shorten(invalid.getOriginalMessage().lines().findFirst().orElse(""));
            throw new IllegalArgumentException(column + " is not valid JSON" + place + ": " + reason, invalid);
        }
    }

    /** Whether each text in a value is one: half of a surrogate pair is no character, and has no UTF-8. */
    static boolean isText(JsonNode value) {
        if (value.isTextual()) {
            return StandardCharsets.UTF_8.newEncoder().canEncode(value.textValue());
        }
        for (JsonNode element : value) {
            if (!isText(element)) {
                return false;
            }
        }
        return true;
    }

    /** The value as JSON, shortened for a message. */
    static String excerpt(JsonNode value) {
        return shorten(value.toString());
    }

    /** What a value is, in words. */
    static String kind(JsonNode value) {
        return switch (value.getNodeType()) {
            case ARRAY -> "an array";
            case OBJECT -> "an object";
            case STRING -> "a string";
            case NUMBER -> "a number";
            case BOOLEAN -> "a boolean";
            case NULL, MISSING -> "null";
            case BINARY, POJO -> "binary data";
        };
    }

    static String shorten(String text) {
        return text.length() <= EXCERPT_LENGTH ? text : text.substring(0, EXCERPT_LENGTH) + "…";
    }
}
