package io.github.sparkmixtral.job.estimate;

import io.github.sparkmixtral.service.Counters;
import java.io.Serializable;
import java.util.List;

/**
 * What a task has seen of its executor's engine while it asked it.
 *
 * @param loadSeconds that the engine took to be there
 * @param seconds from then on to the task's end
 * @param finished whether all rows of the task were answered
 * @param course of the engine, which other tasks ask too; at least its beginning and its end
 * @param lengths of the answers that this task has read, which may be fewer than there are
 */
record Measured(
        String executor, double loadSeconds, double seconds, boolean finished, List<Point> course, Lengths lengths)
        implements Serializable {
    private static final int FEW = 30;

    /** Tokens of so many answers, and their squares, summed up. */
    record Lengths(long answers, double tokens, double squares) implements Serializable {
        Lengths plus(double length) {
            return new Lengths(answers + 1, tokens + length, squares + length * length);
        }

        Lengths plus(Lengths other) {
            return new Lengths(answers + other.answers, tokens + other.tokens, squares + other.squares);
        }

        /** The standard deviation; that of lengths that end at any token with the same chance where few are known. */
        double deviation(double mean) {
            if (answers < FEW) {
                return mean;
            }
            double own = tokens / answers;
            return Math.sqrt(Math.max(0, squares / answers - own * own));
        }
    }

    /** @param seconds since the engine was there, until the end of the last step that is counted */
    record Point(double seconds, Counters counters) implements Serializable {}

    Point start() {
        return course.getFirst();
    }

    Point end() {
        return course.getLast();
    }

    /** The first point in the second half of the time. */
    Point middle() {
        return course.stream()
                .filter(point -> point.seconds >= end().seconds / 2)
                .findFirst()
                .orElseThrow();
    }
}
