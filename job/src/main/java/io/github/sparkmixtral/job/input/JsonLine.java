package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.job.input.RequestReader.RowException;
import io.github.sparkmixtral.service.RowRequest;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;

/** How the JSON of a row is read: a line's object, and what a field has as text. */
final class JsonLine {

    /** Numbers keep their digits, and those that JSON does not know are data like others until somebody asks for them. */
    static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                    .build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .nodeFactory(JsonNodeFactory.withExactBigDecimals(true))
            .build();

    private JsonLine() {}

    /**
     * Reads a line.
     *
     * @param json UTF-8
     */
    static ObjectNode parse(byte[] json) throws RowException {
        JsonNode row;
        try {
            row = JSON.readTree(json, 0, lengthWithoutComma(json));
        } catch (JacksonException e) {
            String place = e.getLocation() == null
                    ? ""
                    : " at column " + e.getLocation().getColumnNr();
            throw new RowException(
                    "invalid_json",
                    "is not valid JSON" + place + ": "
                            + e.getOriginalMessage().lines().findFirst().orElse(""));
        } catch (IOException | NumberFormatException e) {
            // The latter for numbers whose exponents no number has.
            throw new RowException("invalid_json", "is not valid JSON: " + e.getMessage());
        }
        if (row instanceof ObjectNode object) {
            return object;
        }
        throw new RowException("invalid_json", "must be a JSON object, not " + RowRequest.kind(row));
    }

    /** The numbers with a point or an exponent at the top of a line that parses, as they are written. */
    static Map<String, String> fractions(byte[] json) {
        Map<String, String> written = new HashMap<>();
        try (JsonParser parser = JSON.createParser(json)) {
            parser.nextToken();
            for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                if (parser.nextToken() == JsonToken.VALUE_NUMBER_FLOAT) {
                    written.put(name, parser.getText());
                }
                parser.skipChildren();
            }
        } catch (IOException e) {
            throw new IllegalStateException("the line has been parsed before", e);
        }
        return written;
    }

    /** Without a comma at the end, which lines have that were cut out of an array. */
    private static int lengthWithoutComma(byte[] line) {
        int length = line.length;
        while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t' || line[length - 1] == '\r')) {
            length--;
        }
        return length > 0 && line[length - 1] == ',' ? length - 1 : length;
    }

    /** The object that a field holds, also as JSON text; null where it holds none. */
    static ObjectNode object(JsonNode value) {
        if (value instanceof ObjectNode object) {
            return object;
        }
        if (!value.isTextual() || !value.textValue().stripLeading().startsWith("{")) {
            return null;
        }
        try {
            return JSON.readTree(value.textValue()) instanceof ObjectNode object ? object : null;
        } catch (JacksonException | NumberFormatException e) {
            return null;
        }
    }

    /** A cell of a CSV file: JSON where it is JSON, or Python's True and False, else text. */
    static JsonNode cell(String text) {
        if (text.equals("True") || text.equals("False")) {
            return BooleanNode.valueOf(text.equals("True"));
        }
        try {
            return JSON.readTree(text);
        } catch (JacksonException | NumberFormatException e) {
            return TextNode.valueOf(text);
        }
    }
}
