package io.github.sparkmixtral.job.estimate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.sparkmixtral.engine.EngineCounters;
import io.github.sparkmixtral.engine.StepTimes;
import io.github.sparkmixtral.job.estimate.Measured.Lengths;
import io.github.sparkmixtral.job.estimate.Measured.Point;
import io.github.sparkmixtral.job.input.Input;
import io.github.sparkmixtral.job.input.PromptRow;
import io.github.sparkmixtral.service.Counters;
import io.github.sparkmixtral.service.RequestSizes.Size;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.expressions.GenericRowWithSchema;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;

/** Engines whose speed is known: each does ten rows a second, of 100 prompt tokens and 20 generated ones each. */
class PredictionTest {
    private static final StructType SCHEMA = StructType.fromDDL(Input.FILE + " string, " + Input.POSITION + " bigint");

    private static CheckedRows rows(int count, int promptTokens, int mostGenerated) {
        CheckedRows rows = new CheckedRows(10, new EngineMemory("cpu", true, 0, 0, 0, 0, 0, ""));
        Row row = new GenericRowWithSchema(new Object[] {null, null}, SCHEMA);
        for (int i = 0; i < count; i++) {
            PromptRow prompt = new PromptRow("row-" + i, true, "", null, null, Map.of());
            rows.add(row, prompt, new Size(promptTokens, mostGenerated, null));
        }
        return rows;
    }

    /**
     * After a warm-up of two seconds, in which nothing is done.
     *
     * @param speed of the rest
     */
    private static Measured measured(String executor, int seconds, double speed) {
        List<Point> course = new ArrayList<>();
        for (int second = 0; second <= seconds; second++) {
            course.add(new Point(second, counters(Math.max(0, second - 2) * 10 * speed)));
        }
        double rows = course.getLast().counters().completedRows();
        return new Measured(executor, 3, seconds, false, course, new Lengths((long) rows, 20 * rows, 400 * rows));
    }

    private static Counters counters(double rows) {
        // 1 ms for a prompt token in steps of their own, 20 ms for a generated one.
        double prompt = 100 * rows;
        double generated = 20 * rows;
        StepTimes times = new StepTimes(
                0.001 * prompt + 0.02 * generated,
                prompt,
                generated,
                100 * prompt,
                20 * generated,
                0,
                0.001 * 100 * prompt,
                0.02 * 20 * generated);
        EngineCounters engine = new EngineCounters((long) prompt, (long) generated, 0, 0, 0, 64, 0, 1000, times, 0);
        return new Counters((long) rows, 0, (long) prompt, 0, (long) generated, 0, 0, engine);
    }

    private static Prediction predict(CheckedRows rows, Cluster cluster, long chunks, Measured... measured) {
        return Prediction.of(rows, List.of(measured), cluster, chunks, 5, true);
    }

    @Test
    void workOfTheRunGoesAsFastAsInTheSecondHalf() {
        Prediction prediction = predict(rows(1000, 100, 64), new Cluster(1, 2), 8, measured("0", 20, 1));
        // Reading, loading, warming up, and 100 s of work.
        assertThat(prediction.seconds()).isCloseTo(5 + 3 + 2 + 100, within(0.01));
        assertThat(prediction.interval().low()).isBetween(90.0, 110.0);
        assertThat(prediction.interval().high()).isBetween(110.0, 130.0);
        assertThat(prediction.answerLength().mean()).isCloseTo(20, within(1e-9));
        assertThat(prediction.promptRate()).isCloseTo(1000, within(1e-6));
        assertThat(prediction.generatedRate()).isCloseTo(200, within(1e-6));
        assertThat(prediction.cost().promptToken()).isCloseTo(0.001, within(1e-9));
        assertThat(prediction.cost().generatedToken()).isCloseTo(0.02, within(1e-9));
        assertThat(prediction.isMeasured()).isFalse();
    }

    /** Half of a row's time goes into its prompt in twice as long ones: 0.2 s beside 0.4 s. */
    @Test
    void promptsOfTheTableCountNotThoseOfTheSample() {
        Prediction prediction = predict(rows(1000, 200, 64), new Cluster(1, 2), 8, measured("0", 20, 1));
        assertThat(prediction.seconds()).isCloseTo(5 + 3 + 2 + 100 * 0.6 / 0.5, within(0.01));
    }

    @Test
    void executorWithTheMostChunksEndsLast() {
        Measured[] two = {measured("0", 20, 1), measured("1", 20, 1)};
        assertThat(predict(rows(1000, 100, 64), new Cluster(2, 4), 100, two).seconds())
                .isCloseTo(10 + 50, within(0.01));
        assertThat(predict(rows(1000, 100, 64), new Cluster(2, 4), 5, two).seconds())
                .isCloseTo(10 + 60, within(0.01));
        assertThat(predict(rows(1000, 100, 64), new Cluster(4, 8), 2, two).seconds())
                .isCloseTo(10 + 50, within(0.01));
    }

    @Test
    void executorsThatDifferWidenTheInterval() {
        Prediction prediction =
                predict(rows(1000, 100, 64), new Cluster(2, 4), 100, measured("0", 20, 0.5), measured("1", 20, 1.5));
        assertThat(prediction.executors()).isEqualTo(2);
        assertThat(prediction.seconds()).isCloseTo(10 + 50, within(0.01));
        assertThat(prediction.interval().high() - prediction.interval().low()).isGreaterThan(40);
    }

    @Test
    void tasksOfOneExecutorSeeOneEngine() {
        Prediction one = predict(rows(1000, 100, 64), new Cluster(1, 2), 8, measured("0", 20, 1));
        Prediction two = predict(rows(1000, 100, 64), new Cluster(1, 2), 8, measured("0", 20, 1), measured("0", 15, 1));
        assertThat(two.executors()).isEqualTo(1);
        assertThat(two.seconds()).isEqualTo(one.seconds());
    }

    @Test
    void withoutACompleteAnswerTheyAreTakenToBeAsLongAsTheyMayBe() {
        List<Point> course = List.of(new Point(0, counters(0)), new Point(20, running(counters(100))));
        Measured none = new Measured("0", 3, 20, false, course, new Lengths(0, 0, 0));
        Prediction prediction = predict(rows(1000, 100, 64), new Cluster(1, 2), 8, none);
        assertThat(prediction.answers()).isZero();
        assertThat(prediction.answerLength().mean()).isEqualTo(64);
        assertThat(prediction.answerLength().interval().low()).isCloseTo(2000 / 64.0, within(1e-9));
        assertThat(prediction.answerLength().interval().high()).isEqualTo(64);
    }

    /** The same work, of 64 rows that have no answer yet. */
    private static Counters running(Counters counters) {
        EngineCounters engine = counters.engine();
        return new Counters(
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                new EngineCounters(
                        engine.promptTokens(), engine.generatedTokens(), 0, 64, 0, 64, 64, 1000, engine.times(), 0));
    }

    @Test
    void whatIsAllAnsweredIsNotEstimated() {
        Measured first = measured("0", 20, 1);
        Measured done = new Measured("0", 3, 21.5, true, first.course(), first.lengths());
        Prediction prediction = predict(rows(180, 100, 64), new Cluster(1, 2), 2, done);
        assertThat(prediction.isMeasured()).isTrue();
        assertThat(prediction.seconds()).isEqualTo(5 + 3 + 21.5);
        assertThat(prediction.interval()).isEqualTo(new Prediction.Range(29.5 * 0.95, 29.5 * 1.05));
    }

    @Test
    void percentilesAreThoseOfTheRows() {
        CheckedRows rows = rows(90, 100, 64).plus(rows(9, 1000, 64)).plus(rows(1, 3000, 64));
        assertThat(rows.rows()).isEqualTo(100);
        assertThat(rows.promptTokens()).isEqualTo(9000 + 9000 + 3000);
        assertThat(rows.promptTokens(0.5)).isEqualTo(100);
        assertThat(rows.promptTokens(0.9)).isEqualTo(100);
        assertThat(rows.promptTokens(0.99)).isEqualTo(1000);
        assertThat(rows.promptTokens(1)).isEqualTo(3000);
    }
}
