package io.github.sparkmixtral.job.fault;

import java.util.List;
import java.util.regex.Pattern;

/** Keeps secrets out of what a job tells: passwords and keys in URIs, and what is named like a secret or looks like one. */
public final class Redaction {
    private static final String HIDDEN = "***";

    /** {@code key:secret@}, where the secret may hold any sign; a port is no secret. */
    private static final String KEY_AND_SECRET =
            "(?<=://)[^/@:\\s\"]+:(?!\\d{1,5}(?:[/?#,\\s\"]|$))(?:(?!://)[^\\s\"])*@(?=\\w)";

    /** {@code token@}; what stands there for Azure's storage is a container, for Spark a part of it. */
    private static final String USER = "(?<=://)(?<!\\b(?:abfss?|wasbs?|spark)://)[^/@\\s\"]+@(?=\\w)";

    /**
     * Tokens that are counted or tokenized are none, so the word ends after {@code token}. Names are of bounded length, so that no
     * text takes long.
     */
    private static final String NAME =
            "(?<![\\w.-])[\\w.-]{0,100}(?:secrets?|passw(?:or)?d|token(?![_-]?ids?\\b)|signature"
                    + "|credentials?(?![\\w.-]{0,100}provider)|(?:access|account)[_.-]?key|(?<![\\w.-])sig)"
                    + "(?:[_.-][\\w.-]{0,100}|key|id)?";

    /** As {@code name=value} or {@code name: value}; numbers are no secrets. */
    private static final String NAMED = "(?<name>" + NAME + "(?:=|: ))(?!-?[\\d.]+(?:[&;,\\s\"')\\]}]|$))[^&;,\\s\"']+";

    /** As {@code name="value"} or JSON's {@code "name": "value"}. */
    private static final String NAMED_IN_QUOTES =
            "(?<name>" + NAME + "[\"']?\\s?[=:]\\s?(?<quote>[\"']))" + "(?!-?[\\d.]+\\k<quote>)(?:(?!\\k<quote>).)+";

    private static final String AUTHORIZATION =
            "(?<name>authorization[\"']?\\s?[=:]\\s?[\"']?(?:(?:bearer|basic|token) )?|\\bbearer (?=\\S{20}))[^\\s,\"']+";

    private record Rule(Pattern pattern, String replacement) {
        Rule(String pattern, String replacement) {
            this(Pattern.compile(pattern), replacement);
        }
    }

    private static final List<Rule> RULES = List.of(
            new Rule(KEY_AND_SECRET, HIDDEN + "@"),
            new Rule(USER, HIDDEN + "@"),
            new Rule("(?i)" + AUTHORIZATION, "${name}" + HIDDEN),
            new Rule("(?i)" + NAMED_IN_QUOTES, "${name}" + HIDDEN),
            new Rule("(?i)" + NAMED, "${name}" + HIDDEN),
            // Hugging Face's tokens, and the ids of Amazon's keys.
            new Rule("\\bhf_[A-Za-z0-9]{20,}", HIDDEN),
            new Rule("\\bA[KS]IA[A-Z0-9]{16}\\b", HIDDEN));

    private Redaction() {}

    public static String redact(String text) {
        String redacted = text;
        for (Rule rule : RULES) {
            redacted = rule.pattern().matcher(redacted).replaceAll(rule.replacement());
        }
        return redacted;
    }
}
