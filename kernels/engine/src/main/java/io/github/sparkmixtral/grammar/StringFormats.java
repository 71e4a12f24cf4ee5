package io.github.sparkmixtral.grammar;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** JSON Schema's {@code format}s as regular expressions. Each takes valid texts only, and all of the usual ones. */
final class StringFormats {
    private static final String YEAR = "[0-9]{4}";
    private static final String LEAP_YEAR =
            "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)";
    private static final String DATE = "(?:" + YEAR + "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
            + "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|" + LEAP_YEAR + "-02-29)";
    private static final String HOUR_MINUTE = "(?:[01][0-9]|2[0-3]):[0-5][0-9]";
    private static final String TIME = HOUR_MINUTE + ":[0-5][0-9](?:\\.[0-9]{1,9})?(?:Z|[+-]" + HOUR_MINUTE + ")";
    private static final String BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    /** Without two hyphens in a row, for those begin what stands for other scripts. */
    private static final String LABEL = "[A-Za-z0-9]{1,14}(?:-[A-Za-z0-9]{1,14}){0,3}";

    private static final String HOST = LABEL + "(?:\\." + LABEL + "){0,4}";
    private static final String ATOM = "[A-Za-z0-9_%+-]{1,32}";
    private static final String GROUP = "[0-9A-Fa-f]{1,4}";
    private static final String CHARACTER = "[A-Za-z0-9._~!$&'()*+,;=:@-]";
    private static final String PATH = CHARACTER + "{0,64}";

    private static final Map<String, String> FORMATS = new TreeMap<>(Map.ofEntries(
            Map.entry("date", DATE),
            Map.entry("time", TIME),
            Map.entry("date-time", DATE + "T" + TIME),
            Map.entry(
                    "duration",
                    "P(?:[0-9]{1,4}W|(?:[0-9]{1,4}Y(?:[0-9]{1,4}M(?:[0-9]{1,4}D)?)?|[0-9]{1,4}M(?:[0-9]{1,4}D)?|[0-9]{1,4}D)"
                            + "(?:T(?:[0-9]{1,4}H(?:[0-9]{1,4}M(?:[0-9]{1,4}S)?)?|[0-9]{1,4}M(?:[0-9]{1,4}S)?|[0-9]{1,4}S))?"
                            + "|T(?:[0-9]{1,4}H(?:[0-9]{1,4}M(?:[0-9]{1,4}S)?)?|[0-9]{1,4}M(?:[0-9]{1,4}S)?|[0-9]{1,4}S))"),
            Map.entry("uuid", "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
            Map.entry("email", ATOM + "(?:\\." + ATOM + "){0,3}@" + LABEL + "(?:\\." + LABEL + "){1,4}"),
            Map.entry("hostname", HOST),
            Map.entry("ipv4", BYTE + "(?:\\." + BYTE + "){3}"),
            Map.entry("ipv6", ipv6()),
            Map.entry(
                    "uri",
                    "(?:https?|ftp)://" + HOST + "(?::[1-9][0-9]{0,3})?(?:/" + PATH + "){0,16}(?:\\?" + PATH + ")?(?:#"
                            + PATH + ")?")));

    private static final String LONG_LABEL = "[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*";
    private static final String LONG_HOST = LONG_LABEL + "(?:\\." + LONG_LABEL + ")*";

    /**
     * The formats above that count much, as expressions that all hold and count one thing only: so few places have to be told apart
     * where something else is counted, too. No label is too long where the whole name is not longer than a label may be.
     */
    private static final Map<String, List<String>> COUNTED_ONCE = Map.of(
            "email",
            List.of("[A-Za-z0-9_%+-]+(?:\\.[A-Za-z0-9_%+-]+)*@" + LONG_LABEL + "(?:\\." + LONG_LABEL + ")+", ".{1,64}"),
            "hostname",
            List.of(LONG_HOST, ".{1,63}"),
            "uri",
            List.of(
                    "(?:https?|ftp)://" + LONG_HOST + "(?::[1-9][0-9]{0,3})?(?:/" + CHARACTER + "*)*(?:\\?" + CHARACTER
                            + "*)?(?:#" + CHARACTER + "*)?",
                    "[a-z]+://[^/?#]{1,63}(?:[/?#].*)?"));

    /** Formats of JSON Schema that are not held. */
    private static final Set<String> OTHERS = Set.of(
            "idn-email",
            "idn-hostname",
            "iri",
            "iri-reference",
            "json-pointer",
            "regex",
            "relative-json-pointer",
            "uri-reference",
            "uri-template");

    /** Formats that every string has. */
    private static final Set<String> ANY = Set.of("binary", "password", "path");

    private StringFormats() {}

    /** Eight groups, or fewer with one gap. */
    private static String ipv6() {
        StringBuilder forms = new StringBuilder("(?:" + GROUP + ":){7}" + GROUP + "|::");
        for (int before = 0; before <= 7; before++) {
            for (int after = before == 0 ? 1 : 0; before + after <= 7; after++) {
                forms.append("|")
                        .append(before == 0 ? "" : GROUP + "(?::" + GROUP + "){" + (before - 1) + "}")
                        .append("::")
                        .append(after == 0 ? "" : GROUP + "(?::" + GROUP + "){" + (after - 1) + "}");
            }
        }
        return forms.toString();
    }

    static Set<String> names() {
        return FORMATS.keySet();
    }

    /** The regular expression of a format, for the whole text; null if there is none. */
    static String regex(String format) {
        return FORMATS.get(format);
    }

    /** Regular expressions of which all hold for the whole text, for a format that is held together with something else. */
    static List<String> regexes(String format) {
        return COUNTED_ONCE.getOrDefault(format, List.of(regex(format)));
    }

    /**
     * Whether a format leaves all strings.
     *
     * @param besidePattern whether a pattern stands beside it; formats that JSON Schema does not know are only names for it then
     */
    static boolean saysNothing(String format, boolean besidePattern) {
        return ANY.contains(format) || besidePattern && !FORMATS.containsKey(format) && !OTHERS.contains(format);
    }
}
