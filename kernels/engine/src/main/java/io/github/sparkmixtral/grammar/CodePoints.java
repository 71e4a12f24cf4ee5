package io.github.sparkmixtral.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A set of Unicode scalar values: code points without surrogates, which no UTF-8 holds. Immutable.
 *
 * @param ranges first and last of each range by turns, ascending, neither touching nor overlapping
 */
record CodePoints(int... ranges) {
    static final CodePoints NONE = new CodePoints();
    static final CodePoints ALL = range(0, Character.MAX_CODE_POINT);
    static final CodePoints DIGITS = range('0', '9');

    static CodePoints of(int codePoint) {
        return range(codePoint, codePoint);
    }

    /** From the first to the last one, without surrogates. */
    static CodePoints range(int first, int last) {
        List<int[]> parts = new ArrayList<>();
        addPart(parts, first, Math.min(last, Character.MIN_SURROGATE - 1));
        addPart(parts, Math.max(first, Character.MAX_SURROGATE + 1), last);
        return normalized(parts);
    }

    private static void addPart(List<int[]> parts, int first, int last) {
        if (first <= last) {
            parts.add(new int[] {first, last});
        }
    }

    static CodePoints anyOf(String characters) {
        List<int[]> parts = new ArrayList<>();
        characters.codePoints().forEach(codePoint -> parts.add(new int[] {codePoint, codePoint}));
        return normalized(parts);
    }

    private static CodePoints normalized(List<int[]> parts) {
        parts.sort((a, b) -> Integer.compare(a[0], b[0]));
        int[] merged = new int[2 * parts.size()];
        int size = 0;
        for (int[] part : parts) {
            if (size > 0 && part[0] <= merged[size - 1] + 1) {
                merged[size - 1] = Math.max(merged[size - 1], part[1]);
            } else {
                merged[size++] = part[0];
                merged[size++] = part[1];
            }
        }
        return new CodePoints(Arrays.copyOf(merged, size));
    }

    boolean isEmpty() {
        return ranges.length == 0;
    }

    boolean contains(int codePoint) {
        int index = Arrays.binarySearch(ranges, codePoint);
        // Between a first and a last one is an odd place.
        return index >= 0 || (-index - 1) % 2 == 1;
    }

    CodePoints plus(CodePoints other) {
        return union(List.of(this, other));
    }

    static CodePoints union(List<CodePoints> sets) {
        List<int[]> parts = new ArrayList<>();
        sets.forEach(set -> set.addTo(parts));
        return normalized(parts);
    }

    private void addTo(List<int[]> parts) {
        for (int i = 0; i < ranges.length; i += 2) {
            parts.add(new int[] {ranges[i], ranges[i + 1]});
        }
    }

    CodePoints complement() {
        List<int[]> parts = new ArrayList<>();
        int next = 0;
        for (int i = 0; i < ranges.length; i += 2) {
            range(next, ranges[i] - 1).addTo(parts);
            next = ranges[i + 1] + 1;
        }
        range(next, Character.MAX_CODE_POINT).addTo(parts);
        return normalized(parts);
    }

    CodePoints and(CodePoints other) {
        return complement().plus(other.complement()).complement();
    }

    CodePoints minus(CodePoints other) {
        return and(other.complement());
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof CodePoints set && Arrays.equals(ranges, set.ranges);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(ranges);
    }
}
