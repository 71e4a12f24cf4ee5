package io.github.sparkmixtral.file;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** Reads the JSON objects of a Hugging Face checkpoint, strictly: a key may stand only once, and nothing may follow. */
public final class JsonFile {
    /** Far above what any Mixtral needs; keeps a lying file from filling the heap. */
    static final long MOST_BYTES = 16L << 20;

    // Python's json module writes NaN and Infinity.
    private static final ObjectReader READER = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .build()
            .readerFor(JsonNode.class);

    private JsonFile() {}

    /**
     * Parses one object.
     *
     * @param what the file, and the part of it where it is not the whole, for error messages
     * @throws ModelException where it is no JSON object, too large or has a key twice
     */
    public static JsonNode read(String what, MemorySegment json) {
        if (json.byteSize() > MOST_BYTES) {
            throw new ModelException(
                    "%s has %d bytes, more than the %d that are read: it is no part of a Mixtral checkpoint"
                            .formatted(what, json.byteSize(), MOST_BYTES));
        }
        StandIn.refuse(what, json);
        JsonNode node;
        try {
            node = READER.readTree(json.toArray(JAVA_BYTE));
        } catch (JsonProcessingException e) {
            throw new ModelException(
                    "%s is no valid JSON: %s; fetch the file again".formatted(what, e.getOriginalMessage()), e);
        } catch (IOException e) {
            // Reading from an array: only a malformed encoding ends here.
            throw new ModelException(
                    "%s is no valid JSON: %s; fetch the file again".formatted(what, e.getMessage()), e);
        }
        if (!node.isObject()) {
            throw new ModelException("%s is no JSON object; fetch the file again".formatted(what));
        }
        return node;
    }
}
