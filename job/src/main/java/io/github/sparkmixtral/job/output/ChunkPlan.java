package io.github.sparkmixtral.job.output;

import io.github.sparkmixtral.job.input.FileRows;
import io.github.sparkmixtral.job.output.Chunk.Segment;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Cuts the rows that have no answer yet into chunks.
 *
 * <p>A chunk is small, so that a kill costs little, and large, so that many rows do not make many files: see {@link #chunkRows}.
 */
final class ChunkPlan {
    /** More rows than this make no task's work overlap better with the next one's. */
    private static final long MOST_ROWS = 1024;
    /** Fewer rows than this leave the engine's batch half empty at a chunk's end. */
    private static final long LEAST_ROWS = 128;
    /** Tokens that a kill may cost for each task. */
    private static final long MOST_TOKENS = 262_144;
    /** Files that readers and object stores list without trouble. */
    private static final long MOST_FILES = 50_000;
    /** Chunks that small inputs are cut into at most, enough for the cores of a small cluster. */
    private static final long CHUNKS = 64;

    private ChunkPlan() {}

    /**
     * How many rows a chunk has.
     *
     * @param rows of the whole input
     * @param maxTokens the longest answer
     */
    static long chunkRows(long rows, int maxTokens) {
        long byTokens = Math.clamp(MOST_TOKENS / maxTokens, LEAST_ROWS, MOST_ROWS);
        long byRows = Math.max(LEAST_ROWS, Math.ceilDiv(rows, CHUNKS));
        return Math.max(Math.ceilDiv(rows, MOST_FILES), Math.min(byTokens, byRows));
    }

    /**
     * Chunks for the rows of the files that no segment covers, in the order of the files.
     *
     * @param firstNumber the number of the first chunk
     */
    static List<Chunk> of(List<FileRows> files, List<Segment> covered, long chunkRows, int firstNumber) {
        Map<String, List<Segment>> byFile = new HashMap<>();
        covered.forEach(segment ->
                byFile.computeIfAbsent(segment.file(), _ -> new ArrayList<>()).add(segment));
        List<Chunk> chunks = new ArrayList<>();
        List<Segment> current = new ArrayList<>();
        long room = chunkRows;
        for (FileRows file : files) {
            for (Segment gap : gaps(file, byFile.getOrDefault(file.file(), List.of()))) {
                long next = gap.first();
                while (next <= gap.last()) {
                    long taken = Math.min(room, gap.last() - next + 1);
                    current.add(new Segment(file.file(), next, next + taken - 1));
                    next += taken;
                    room -= taken;
                    if (room == 0) {
                        chunks.add(Chunk.of(firstNumber + chunks.size(), current));
                        current = new ArrayList<>();
                        room = chunkRows;
                    }
                }
            }
        }
        if (!current.isEmpty()) {
            chunks.add(Chunk.of(firstNumber + chunks.size(), current));
        }
        return chunks;
    }

    private static List<Segment> gaps(FileRows file, List<Segment> covered) {
        List<Segment> sorted = new ArrayList<>(covered);
        sorted.sort(Comparator.comparingLong(Segment::first));
        List<Segment> gaps = new ArrayList<>();
        long next = 1;
        for (Segment segment : sorted) {
            if (segment.first() > next) {
                gaps.add(new Segment(file.file(), next, segment.first() - 1));
            }
            next = Math.max(next, segment.last() + 1);
        }
        if (next <= file.rows()) {
            gaps.add(new Segment(file.file(), next, file.rows()));
        }
        return gaps;
    }

    /**
     * Finds the chunk that a row is in. Small: segments by file, sorted.
     *
     * @param first by file, the first ordinals of its segments, ascending
     * @param last by file, the last ordinals
     * @param number by file, the chunks' places in the list
     */
    record Index(HashMap<String, long[]> first, HashMap<String, long[]> last, HashMap<String, int[]> number)
            implements Serializable {

        static Index of(List<Chunk> chunks) {
            record Placed(Segment segment, int chunk) {}
            Map<String, List<Placed>> byFile = new HashMap<>();
            for (int i = 0; i < chunks.size(); i++) {
                for (Segment segment : chunks.get(i).segments()) {
                    byFile.computeIfAbsent(segment.file(), _ -> new ArrayList<>())
                            .add(new Placed(segment, i));
                }
            }
            Index index = new Index(new HashMap<>(), new HashMap<>(), new HashMap<>());
            byFile.forEach((file, placed) -> {
                placed.sort(Comparator.comparingLong(one -> one.segment().first()));
                index.first.put(
                        file,
                        placed.stream().mapToLong(one -> one.segment().first()).toArray());
                index.last.put(
                        file,
                        placed.stream().mapToLong(one -> one.segment().last()).toArray());
                index.number.put(file, placed.stream().mapToInt(Placed::chunk).toArray());
            });
            return index;
        }

        /** The chunk's place in the list; -1 for a row that is in none. */
        int chunk(String file, long ordinal) {
            long[] firsts = first.get(file);
            if (firsts == null) {
                return -1;
            }
            int found = java.util.Arrays.binarySearch(firsts, ordinal);
            int segment = found >= 0 ? found : -found - 2;
            return segment >= 0 && ordinal <= last.get(file)[segment] ? number.get(file)[segment] : -1;
        }
    }
}
