package io.github.sparkmixtral.grammar;

import java.util.HashMap;
import java.util.Map;

/** Unicode's general categories, by their short names. */
final class UnicodeCategories {
    /** The short name of each of {@link Character#getType}'s numbers. */
    private static final String[] NAMES = {
        "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Me", "Mc", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", null,
        "Co", "Cs", "Pd", "Ps", "Pe", "Pc", "Po", "Sm", "Sc", "Sk", "So", "Pi", "Pf"
    };

    private UnicodeCategories() {}

    /** One- and two-letter names; made once, in one pass over all characters. */
    static Map<String, CodePoints> all() {
        Map<String, java.util.List<int[]>> parts = new HashMap<>();
        for (int codePoint = 0; codePoint <= Character.MAX_CODE_POINT; codePoint++) {
            String name = NAMES[Character.getType(codePoint)];
            if (!name.equals("Cs")) {
                add(parts, name, codePoint);
                add(parts, name.substring(0, 1), codePoint);
            }
        }
        Map<String, CodePoints> all = new HashMap<>();
        parts.forEach((name, ranges) -> all.put(
                name,
                new CodePoints(
                        ranges.stream().flatMapToInt(java.util.Arrays::stream).toArray())));
        return Map.copyOf(all);
    }

    private static void add(Map<String, java.util.List<int[]>> parts, String name, int codePoint) {
        java.util.List<int[]> ranges = parts.computeIfAbsent(name, _ -> new java.util.ArrayList<>());
        if (!ranges.isEmpty() && ranges.getLast()[1] == codePoint - 1) {
            ranges.getLast()[1] = codePoint;
        } else {
            ranges.add(new int[] {codePoint, codePoint});
        }
    }
}
