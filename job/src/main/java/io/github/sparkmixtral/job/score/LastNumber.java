package io.github.sparkmixtral.job.score;

import java.math.BigDecimal;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The last number that a text has, as answers to questions of arithmetic are read (GSM8K, whose labels end with {@code #### 72}).
 * Commas and no-break or thin spaces between groups of three digits do not count, currencies and units are passed over, and a minus
 * is one if no digit, letter or closing bracket stands before it.
 */
final class LastNumber {
    private static final Pattern NUMBER = Pattern.compile("(?<sign>(?<![\\p{L}\\p{N}_.)\\]}])[-\\u2212])?\\p{Sc}?"
            + "(?<whole>\\d{1,3}(?:[,\\u00A0\\u2009\\u202F]\\d{3})+(?!\\d)|\\d+|(?<!\\d)(?=\\.\\d))"
            + "(?<rest>(?:\\.\\d+)?(?:[eE][-+]?\\d{1,4}(?!\\d))?)");

    private LastNumber() {}

    /** Empty if the text has none. */
    static Optional<BigDecimal> of(String text) {
        String last = null;
        Matcher number = NUMBER.matcher(text);
        while (number.find()) {
            last = (number.group("sign") == null ? "" : "-")
                    + number.group("whole").replaceAll("\\D", "")
                    + number.group("rest");
        }
        return Optional.ofNullable(last).map(BigDecimal::new);
    }
}
