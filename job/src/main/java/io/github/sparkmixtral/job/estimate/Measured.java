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
 * @param answers to the rows of this task
 * @param tokens sum of their lengths
 * @param squares sum of the squares of their lengths
 * @param errors rows of this task that the engine has refused
 * @param maxModelLength longest sequence that the engine takes
 */
record Measured(
        String executor,
        double loadSeconds,
        double seconds,
        boolean finished,
        List<Point> course,
        long answers,
        double tokens,
        double squares,
        long errors,
        int maxModelLength)
        implements Serializable {

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
