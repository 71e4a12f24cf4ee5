package io.github.sparkmixtral.job.output;

import io.github.sparkmixtral.job.fault.JobException;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;

/**
 * A run of input rows that is answered by one task and written as one file. It depends on the input alone, and so does its name.
 *
 * @param name of its file, without the extension
 * @param segments the rows, in their order
 */
record Chunk(String name, List<Segment> segments) implements Serializable {

    /**
     * Rows of one file that follow each other.
     *
     * @param file URI
     * @param first ordinal in the file, from 1
     * @param last ordinal, itself included
     */
    record Segment(String file, long first, long last) implements Serializable {
        long rows() {
            return last - first + 1;
        }
    }

    Chunk {
        // Serializes without List.of's proxy, which Spark's task class loader cannot always see through.
        segments = new ArrayList<>(segments);
    }

    /** The chunk of these rows, with a name that follows from its number and them. */
    static Chunk of(int number, List<Segment> segments) {
        StringBuilder rows = new StringBuilder();
        for (Segment segment : segments) {
            rows.append(segment.file())
                    .append('\t')
                    .append(segment.first())
                    .append('\t')
                    .append(segment.last())
                    .append('\n');
        }
        return new Chunk(String.format(Locale.ROOT, "part-%05d-%s", number, digest(rows.toString())), segments);
    }

    /** The chunk of the rows of a table whose ids have one hash. */
    static Chunk ofBucket(int number, int generation) {
        return new Chunk(String.format(Locale.ROOT, "part-%05d-t%03d", number, generation), List.of());
    }

    private static String digest(String text) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest, 0, 4);
        } catch (NoSuchAlgorithmException e) {
            throw new JobException(io.github.sparkmixtral.job.fault.ExitCode.FAILED, "this Java has no SHA-256", e);
        }
    }

    long rows() {
        return segments.stream().mapToLong(Segment::rows).sum();
    }

    /** Its first rows, up to that many. */
    List<Segment> firstRows(long most) {
        List<Segment> first = new ArrayList<>();
        long left = most;
        for (Segment segment : segments) {
            if (left <= 0) {
                break;
            }
            long taken = Math.min(left, segment.rows());
            first.add(new Segment(segment.file(), segment.first(), segment.first() + taken - 1));
            left -= taken;
        }
        return first;
    }
}
