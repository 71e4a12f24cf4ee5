package io.github.sparkmixtral.job.score;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.job.options.ExpectedMatch;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/** One expected answer, made ready: it gives an answer its score in [0, 1]. */
interface Expected extends ToDoubleFunction<String> {
    JsonMapper JSON = new JsonMapper();

    /** @throws IllegalArgumentException if the text cannot be compared so, saying what it is or is not */
    static Expected of(ExpectedMatch match, String text) {
        return switch (match) {
            case EXACT -> {
                String wanted = text.strip();
                yield answer -> score(answer.strip().equals(wanted));
            }
            case CONTAINS -> {
                String wanted = required(text.strip());
                yield answer -> score(answer.contains(wanted));
            }
            case REGEX -> {
                RegexSearch regex = new RegexSearch(required(text));
                yield answer -> score(regex.isIn(answer));
            }
            case NUMBER -> {
                BigDecimal wanted =
                        LastNumber.of(text).orElseThrow(() -> new IllegalArgumentException("a text without a number"));
                yield answer -> score(LastNumber.of(answer)
                        .filter(number -> number.compareTo(wanted) == 0)
                        .isPresent());
            }
            case JSON -> {
                JsonValue wanted = new JsonValue(text);
                yield answer -> score(wanted.isIn(answer));
            }
            case F1 -> {
                List<String> wanted = TokenF1.words(text);
                yield answer -> TokenF1.of(TokenF1.words(answer), wanted);
            }
        };
    }

    private static double score(boolean right) {
        return right ? 1 : 0;
    }

    /** Nothing is in every answer. */
    private static String required(String text) {
        if (text.isEmpty()) {
            throw new IllegalArgumentException("empty");
        }
        return text;
    }

    /**
     * The answers that a cell accepts. A text that is a JSON array of strings, or an object of SQuAD's, as CSV and rows of several kinds
     * have them, is a list of answers; only where the answer has to be the text it can be meant as it stands, too.
     *
     * @return none if the row expects nothing
     */
    static List<String> accepted(ExpectedMatch match, String text) {
        Optional<List<String>> list = match == ExpectedMatch.JSON ? Optional.empty() : list(text);
        if (list.isEmpty()) {
            return List.of(text);
        }
        List<String> accepted = new ArrayList<>(list.get());
        if (match == ExpectedMatch.EXACT && !accepted.isEmpty()) {
            accepted.add(text);
        }
        return accepted;
    }

    private static Optional<List<String>> list(String text) {
        if (!text.startsWith("[") && !text.startsWith("{")) {
            return Optional.empty();
        }
        try {
            JsonNode root = JSON.readTree(text);
            List<String> list = new ArrayList<>();
            for (JsonNode element : textsOf(root)) {
                JsonNode one = textsOf(element);
                if (!one.isTextual()) {
                    return Optional.empty();
                }
                list.add(one.textValue());
            }
            return list.isEmpty() && !root.path(ExpectedMatch.TEXT).isArray() ? Optional.empty() : Optional.of(list);
        } catch (JacksonException e) {
            return Optional.empty();
        }
    }

    private static JsonNode textsOf(JsonNode value) {
        return value.isObject() ? value.path(ExpectedMatch.TEXT) : value;
    }
}
