package io.github.sparkmixtral.job.options;

import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Stream;

/**
 * How the answers of a job are judged at its end.
 *
 * @param expected the column with the right answers; empty scores nothing
 * @param by the column whose values are scored by themselves too
 * @param minScore in [0, 1]: the least score of a job that ends well
 * @param baseline directory of an earlier run, which the answers are compared with
 */
public record Evaluation(
        Optional<String> expected,
        ExpectedMatch match,
        Optional<String> by,
        OptionalDouble minScore,
        Optional<String> baseline) {

    /** Nothing is judged. */
    static final Evaluation NONE = new Evaluation(
            Optional.empty(), ExpectedMatch.EXACT, Optional.empty(), OptionalDouble.empty(), Optional.empty());

    /** The columns that have to reach the output. */
    public Stream<String> columns() {
        return Stream.concat(expected.stream(), by.stream());
    }
}
