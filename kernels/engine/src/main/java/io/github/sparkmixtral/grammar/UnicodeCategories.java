package io.github.sparkmixtral.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Unicode's general categories, by their short names. */
final class UnicodeCategories {
    /** The short name of each of {@link Character#getType}'s numbers. */
    private static final String[] NAMES = {
        "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Me", "Mc", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", null,
        "Co", "Cs", "Pd", "Ps", "Pe", "Pc", "Po", "Sm", "Sc", "Sk", "So", "Pi", "Pf"
    };

    private UnicodeCategories() {}

    /** Apart, for few constraints name a category. */
    private static final class All {
        private static final Map<String, CodePoints> BY_NAME = all();
    }

    /** A category by its one- or two-letter name; null if there is none. */
    static CodePoints named(String name) {
        return All.BY_NAME.get(name);
    }

    private static Map<String, CodePoints> all() {
        Map<String, List<int[]>> parts = new HashMap<>();
        int first = 0;
        for (int codePoint = 0; codePoint <= Character.MAX_CODE_POINT; codePoint++) {
            int type = Character.getType(codePoint);
            if (codePoint == Character.MAX_CODE_POINT || Character.getType(codePoint + 1) != type) {
                if (type != Character.SURROGATE) {
                    add(parts, NAMES[type], first, codePoint);
                    add(parts, NAMES[type].substring(0, 1), first, codePoint);
                }
                first = codePoint + 1;
            }
        }
        Map<String, CodePoints> all = new HashMap<>();
        parts.forEach((name, ranges) -> all.put(
                name,
                new CodePoints(ranges.stream().flatMapToInt(Arrays::stream).toArray())));
        return all;
    }

    private static void add(Map<String, List<int[]>> parts, String name, int first, int last) {
        List<int[]> ranges = parts.computeIfAbsent(name, _ -> new ArrayList<>());
        if (!ranges.isEmpty() && ranges.getLast()[1] == first - 1) {
            ranges.getLast()[1] = last;
        } else {
            ranges.add(new int[] {first, last});
        }
    }
}
