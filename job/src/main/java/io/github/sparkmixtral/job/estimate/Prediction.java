package io.github.sparkmixtral.job.estimate;

import io.github.sparkmixtral.engine.StepTimes;
import io.github.sparkmixtral.engine.StepTimes.Cost;
import io.github.sparkmixtral.job.estimate.Measured.Lengths;
import io.github.sparkmixtral.job.estimate.Measured.Point;
import io.github.sparkmixtral.service.Counters;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;

/**
 * How long a run takes, told from a sample.
 *
 * <p>A step's time is taken to be a cost for each prompt token and another one for each generated token, both fitted. The work of the
 * run is the prompts' tokens, which are known, less the share that the sample has found in the cache, and the answers' tokens, of which
 * the sample tells the mean; each with its cost. The first half of the measured time, in which a JVM gets warm and the cache fills, is
 * added as it was; the rest of the work goes as fast as it went in the second half, and finds as much in the cache. The executor with the most chunks ends last.
 *
 * @param seconds from the job's first check to its last answer
 * @param interval in which they are expected
 * @param loadSeconds of these, those of the executor that has loaded the model last
 * @param isMeasured whether all rows were answered, so that their time is not estimated
 * @param executors that were measured
 * @param measuredSeconds how long
 * @param answers that were complete
 * @param answerLength mean tokens of a row's answers
 * @param promptRate prompt tokens a second of all executors, those from the cache included, while they generate, too
 * @param generatedRate generated tokens a second of all executors, at the same time
 * @param cost of a token for one executor, by itself
 */
public record Prediction(
        double seconds,
        Range interval,
        double loadSeconds,
        boolean isMeasured,
        int executors,
        double measuredSeconds,
        long answers,
        Length answerLength,
        double promptRate,
        double generatedRate,
        Cost cost) {

    /** What no measurement is better than: other loads of the machines, tables of other rows at their ends. */
    private static final double LEAST_ERROR = 0.05;

    /** Of 95 %. */
    private static final double STANDARD_ERRORS = 1.96;

    public record Range(double low, double high) {}

    /** Tokens of a row's answers: the mean, and the interval that it is in. */
    public record Length(double mean, Range interval) {}

    /**
     * Predicts a run.
     *
     * @param chunks that the rows are in
     * @param readSeconds that it took to find and read the input
     * @param generates whether rows have answers that are generated
     */
    static Prediction of(
            CheckedRows rows,
            List<Measured> measured,
            Cluster cluster,
            long chunks,
            double readSeconds,
            boolean generates) {
        Collection<Measured> engines = byExecutor(measured);
        StepTimes times = engines.stream()
                .map(one -> one.end()
                        .counters()
                        .engine()
                        .times()
                        .minus(one.start().counters().engine().times()))
                .reduce(StepTimes.NONE, StepTimes::plus);
        Cost cost = times.cost();
        Course all = Course.of(engines.stream()
                .map(one -> Course.between(one.start(), one.end()))
                .toList());
        Length length = generates ? length(rows, measured, all) : new Length(0, new Range(0, 0));
        double load = measured.stream().mapToDouble(Measured::loadSeconds).max().orElse(0);
        double longestTime =
                measured.stream().mapToDouble(Measured::seconds).max().orElse(0);
        boolean isMeasured = measured.stream().allMatch(Measured::finished);
        Speed speed = Speed.of(engines, cost);
        Course warm = Course.of(engines.stream()
                .map(one -> Course.between(from(one), one.end()))
                .toList());
        double promptWork = cost.promptToken() * rows.promptTokens() * warm.computedShare(generates);
        double share =
                Math.max(1.0 / cluster.executors(), chunks == 0 ? 0 : shareOfBusiest(chunks, cluster.executors()));
        Answering answering =
                tokens -> speed.seconds(share * (promptWork + cost.generatedToken() * tokens * rows.askable()));
        double before = readSeconds + load;
        Range interval = isMeasured
                ? new Range((before + longestTime) * (1 - LEAST_ERROR), (before + longestTime) * (1 + LEAST_ERROR))
                : new Range(
                        before + answering.seconds(length.interval().low()) * (1 - speed.error()),
                        before + answering.seconds(length.interval().high()) * (1 + speed.error()));
        return new Prediction(
                before + (isMeasured ? longestTime : answering.seconds(length.mean())),
                interval,
                load,
                isMeasured,
                engines.size(),
                longestTime,
                (long) all.rows,
                length,
                rate(engines, cluster, counters -> counters.promptTokens()),
                rate(engines, cluster, counters -> counters.engine().generatedTokens()),
                cost);
    }

    private interface Answering {
        /** @param tokens of a row's answers */
        double seconds(double tokens);
    }

    private static double shareOfBusiest(long chunks, int executors) {
        return (double) Math.ceilDiv(chunks, executors) / chunks;
    }

    /** For each executor, the task that has seen it longest. */
    private static Collection<Measured> byExecutor(List<Measured> measured) {
        Map<String, Measured> longest = new HashMap<>();
        measured.forEach(one -> longest.merge(
                one.executor(), one, (a, b) -> a.end().seconds() >= b.end().seconds() ? a : b));
        return longest.values();
    }

    private static double rate(Collection<Measured> engines, Cluster cluster, ToLongFunction<Counters> tokens) {
        double each = engines.stream()
                .mapToDouble(one -> {
                    Point from = from(one);
                    double seconds = one.end().seconds() - from.seconds();
                    long done = tokens.applyAsLong(one.end().counters()) - tokens.applyAsLong(from.counters());
                    return seconds > 0 ? done / seconds : 0;
                })
                .average()
                .orElse(0);
        return each * cluster.executors();
    }

    /** Where the second half begins; the start if nothing is in it. */
    private static Point from(Measured one) {
        return one.middle() == one.end() ? one.start() : one.middle();
    }

    /**
     * What engines have done between two times.
     *
     * @param rows that have an answer
     * @param promptTokens of these
     * @param answerTokens of these, those aside that were computed for others
     * @param running by how much more rows are on their way to one
     */
    private record Course(
            double rows, double promptTokens, double answerTokens, double computed, double generated, double running) {
        static Course between(Point from, Point to) {
            Counters before = from.counters();
            Counters after = to.counters();
            return new Course(
                    after.completedRows() - before.completedRows(),
                    after.promptTokens() - before.promptTokens(),
                    after.completionTokens()
                            - after.copiedTokens()
                            - (before.completionTokens() - before.copiedTokens()),
                    after.engine().promptTokens() - before.engine().promptTokens(),
                    after.engine().generatedTokens() - before.engine().generatedTokens(),
                    after.engine().running() - before.engine().running());
        }

        static Course of(List<Course> several) {
            return several.stream()
                    .reduce(
                            new Course(0, 0, 0, 0, 0, 0),
                            (a, b) -> new Course(
                                    a.rows + b.rows,
                                    a.promptTokens + b.promptTokens,
                                    a.answerTokens + b.answerTokens,
                                    a.computed + b.computed,
                                    a.generated + b.generated,
                                    a.running + b.running));
        }

        double begun() {
            return rows + running;
        }

        /** The part of the prompts' tokens that the cache does not have; more than 1 where a row is computed several times. */
        double computedShare(boolean generates) {
            if (rows == 0 || begun() <= 0) {
                return 1;
            }
            double share = computed / (promptTokens / rows * begun());
            return generates ? Math.min(1, share) : share;
        }
    }

    /**
     * Answers that are complete tend to be the short ones, and those that are not will get longer: the mean lies between that of the
     * complete ones and all generated tokens by complete answer, which is right where answers end at any token with the same chance.
     */
    private static Length length(CheckedRows rows, List<Measured> measured, Course all) {
        double most = rows.askable() == 0 ? 0 : (double) rows.mostGenerated() / rows.askable();
        if (all.rows == 0) {
            double least = all.begun() == 0 ? 0 : all.generated / all.begun();
            return new Length(most, new Range(Math.min(least, most), most));
        }
        double complete = all.answerTokens / all.rows;
        Lengths read = measured.stream().map(Measured::lengths).reduce(new Lengths(0, 0, 0), Lengths::plus);
        double error = read.deviation(complete) / Math.sqrt(all.rows) * STANDARD_ERRORS;
        double ratio = all.generated / all.rows;
        double low = Math.min(complete, ratio);
        double high = Math.min(most, Math.max(complete, ratio));
        return new Length(
                Math.min(most, (low + high) / 2), new Range(Math.max(0, low - error), Math.min(most, high + error)));
    }

    /**
     * How fast an executor works, in seconds of a token's cost for each second.
     *
     * @param firstSeconds of the first half
     * @param firstWork done in it
     * @param rate in the second half
     * @param error by how much rates may be off
     */
    private record Speed(double firstSeconds, double firstWork, double rate, double error) {

        static Speed of(Collection<Measured> engines, Cost cost) {
            List<Double> rates = new ArrayList<>();
            double firstSeconds = 0;
            double firstWork = 0;
            double drift = 0;
            for (Measured one : engines) {
                Point from = from(one);
                rates.add(rate(from, one.end(), cost));
                firstSeconds += from.seconds();
                firstWork += work(one.start(), from, cost);
                drift += drift(one, from, cost);
            }
            double mean = rates.stream().mapToDouble(rate -> rate).average().orElse(0);
            double least = rates.stream().min(Comparator.naturalOrder()).orElse(0.0);
            double most = rates.stream().max(Comparator.naturalOrder()).orElse(0.0);
            double spread = mean == 0 ? 0 : (most - least) / (2 * mean);
            return new Speed(
                    firstSeconds / engines.size(),
                    firstWork / engines.size(),
                    mean,
                    Math.min(0.9, Math.max(LEAST_ERROR, Math.max(spread, drift / engines.size()))));
        }

        /** By how much the rates of the second half's halves differ. */
        private static double drift(Measured one, Point from, Cost cost) {
            double half = (from.seconds() + one.end().seconds()) / 2;
            Point between = one.course().stream()
                    .filter(point -> point.seconds() >= half)
                    .findFirst()
                    .orElse(one.end());
            double rate = rate(from, one.end(), cost);
            double last = rate(between, one.end(), cost);
            return rate == 0 || last == 0 ? 0 : Math.abs(rate(from, between, cost) - last) / rate;
        }

        private static double work(Point from, Point to, Cost cost) {
            Course done = Course.between(from, to);
            return cost.promptToken() * done.computed + cost.generatedToken() * done.generated;
        }

        private static double rate(Point from, Point to, Cost cost) {
            double seconds = to.seconds() - from.seconds();
            return seconds > 0 ? work(from, to, cost) / seconds : 0;
        }

        double seconds(double work) {
            if (work <= firstWork || rate == 0) {
                return firstWork == 0 ? 0 : firstSeconds * work / firstWork;
            }
            return firstSeconds + (work - firstWork) / rate;
        }
    }
}
