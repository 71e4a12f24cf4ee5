package io.github.sparkmixtral.job.score;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.StringReader;
import java.util.Comparator;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A JSON value that an answer has to hold. The order of keys and white space do not count, and 1 and 1.0 are the same. The answer
 * may be the value; or have it in its first block of Markdown's code that is JSON; or, for an object or array, have text around it:
 * then the first one of its kind that is whole is taken.
 */
final class JsonValue {
    private static final JsonMapper STRICT = JsonMapper.builder()
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();
    private static final JsonMapper BEGINNING = JsonMapper.builder()
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .build();

    /** Each bracket of an answer may begin a value; text that is made of them must not take for ever. */
    private static final int MOST_BEGUN = 2000;

    private static final Pattern FENCED = Pattern.compile("```[A-Za-z0-9]*\\s(.*?)```", Pattern.DOTALL);

    /** Of values without children. */
    private static final Comparator<JsonNode> BY_VALUE = (one, other) -> one.isNumber() && other.isNumber()
            ? one.decimalValue().compareTo(other.decimalValue())
            : one.equals(other) ? 0 : 1;

    private final JsonNode expected;

    /** @throws IllegalArgumentException if the text is no JSON */
    JsonValue(String text) {
        expected = whole(text).orElseThrow(() -> new IllegalArgumentException("no JSON value"));
    }

    boolean isIn(String answer) {
        return found(answer).filter(value -> expected.equals(BY_VALUE, value)).isPresent();
    }

    private Optional<JsonNode> found(String answer) {
        Optional<JsonNode> whole = whole(answer);
        if (whole.isPresent()) {
            return whole;
        }
        Matcher fenced = FENCED.matcher(answer);
        while (fenced.find()) {
            Optional<JsonNode> value = whole(fenced.group(1));
            if (value.isPresent()) {
                return value;
            }
        }
        return expected.isContainerNode() ? firstIn(answer, expected.isObject() ? '{' : '[') : Optional.empty();
    }

    private static Optional<JsonNode> whole(String text) {
        try {
            return Optional.of(STRICT.readTree(text)).filter(value -> !value.isMissingNode());
        } catch (JacksonException e) {
            return Optional.empty();
        }
    }

    private static Optional<JsonNode> firstIn(String text, char opening) {
        int begun = 0;
        for (int i = text.indexOf(opening); i >= 0 && begun < MOST_BEGUN; i = text.indexOf(opening, i + 1)) {
            begun++;
            StringReader rest = new StringReader(text);
            try (JsonParser parser = BEGINNING.createParser(rest)) {
                rest.skip(i);
                return Optional.of(parser.readValueAsTree());
            } catch (IOException e) {
                // It begins no value: the next one may.
            }
        }
        return Optional.empty();
    }
}
