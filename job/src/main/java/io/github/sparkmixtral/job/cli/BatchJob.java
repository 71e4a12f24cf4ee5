package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.options.OutputColumns.named;
import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.xxhash64;

import io.github.sparkmixtral.job.estimate.Cluster;
import io.github.sparkmixtral.job.estimate.DryRun;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.inference.Generation;
import io.github.sparkmixtral.job.inference.RunLimits;
import io.github.sparkmixtral.job.inference.TokenBudget;
import io.github.sparkmixtral.job.input.Input;
import io.github.sparkmixtral.job.input.InputReader;
import io.github.sparkmixtral.job.options.ChatTemplateOption;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.job.options.OutputColumns;
import io.github.sparkmixtral.job.output.Answered;
import io.github.sparkmixtral.job.output.Baseline;
import io.github.sparkmixtral.job.output.JobOutput;
import io.github.sparkmixtral.job.output.Manifest;
import io.github.sparkmixtral.job.output.Report;
import io.github.sparkmixtral.job.output.Verdict;
import io.github.sparkmixtral.job.retrieval.IndexDirectory;
import io.github.sparkmixtral.job.retrieval.LocatedIndex;
import io.github.sparkmixtral.job.score.Score;
import io.github.sparkmixtral.model.ModelDescription;
import java.io.IOException;
import java.io.PrintWriter;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One run of the job: checks all that can be checked, answers the input, writes answers and manifest. */
final class BatchJob {
    private static final Logger LOG = LoggerFactory.getLogger(BatchJob.class);

    private final SparkSession spark;
    private final JobOptions options;
    private final Configuration configuration;
    private final JobOutput output;
    private final PrintWriter out;

    /**
     * @param spark is left as it was: the job runs in a session of its own beside it
     * @param out gets what a dry run has found
     */
    BatchJob(SparkSession spark, JobOptions options, PrintWriter out) {
        this.spark = JobSession.of(spark);
        this.configuration = spark.sessionState().newHadoopConf();
        this.options = options.on(options.generation().engine().pinned(configuration, LOG::info));
        this.output = new JobOutput(this.spark, this.options, configuration);
        this.out = out;
    }

    /**
     * Runs the job: checks all that can be checked, then generates.
     *
     * @throws JobException with the exit code and the sentence for a fault of the user's
     */
    void run() throws Exception {
        Instant start = Instant.now();
        StatusLine.tell("checking the job");
        InputReader inputReader = new InputReader(spark, options.source());
        output.requireUsable(inputReader.files());
        Optional<Baseline> baseline = Baseline.of(options, configuration);
        LocatedIndex index = index();
        ModelDescription model = describe(options, configuration);
        options.generation().engine().requireLength(model.config());
        LOG.info("{}", ChatTemplateOption.described(model, options.generation().defaults()));
        output.requireSameJob(
                model, index == null ? null : index.descriptor().digest(), inputReader.format(), inputReader.files());
        if (output.isDone()) {
            LOG.info("The output {} is complete already: nothing is left to do", output.shown());
            if (!options.estimate().dryRun()) {
                judgeAgain(baseline);
            }
            return;
        }
        RunLimits limits =
                RunLimits.of(options.limits().deadline(), options.limits().maxTotalTokens());
        requireTimeLeft(limits);
        StatusLine.tell("reading the input");
        Input input = inputReader.read();
        input.notes().forEach(LOG::info);
        output.plan(input);
        if (options.estimate().dryRun()) {
            dryRun(input, model, start);
            return;
        }
        tellBeginning(model, input.survey().rows());
        Generation.Done done = Generation.Done.in(spark.sparkContext());
        ProgressReporter.Totals totals = ProgressReporter.Totals.NOTHING;
        String limit = Manifest.Run.COMPLETED;
        if (output.rowsToAnswer() > 0) {
            try (TokenBudget budget = limits.open()) {
                totals = generate(input, limits, done);
                limit = limits.isDeadlinePast()
                        ? Manifest.Run.DEADLINE
                        : budget.isSpent() ? Manifest.Run.MAX_TOTAL_TOKENS : limit;
            }
        }
        StatusLine.tell("counting the answers");
        Manifest manifest = Manifest.of(output);
        String reason = manifest.rows() < input.survey().rows() ? limit : Manifest.Run.COMPLETED;
        requireAllRows(manifest, input.survey().rows(), reason);
        Instant end = Instant.now();
        Manifest.Run run = new Manifest.Run(
                start,
                end,
                input.survey().rows(),
                done.rows().value(),
                done.copied().value(),
                totals.completionTokens(),
                totals.byExecutor(),
                done.seconds()::quantile,
                List.of(done.slowest().value()),
                done.experts().value(),
                cost(start, end),
                reason.equals(Manifest.Run.COMPLETED) ? output.forecast() : Optional.empty(),
                reason);
        // Of a part of the rows, those that are to come would count as missing.
        Verdict verdict =
                Verdict.of(spark, options.evaluation(), output, run.isStopped() ? Optional.empty() : baseline);
        Report report = new Report(manifest.write(options, model, run, verdict, output));
        finish(manifest, run, verdict, report);
    }

    private Optional<Manifest.Cost> cost(Instant start, Instant end) {
        OptionalDouble price = options.estimate().pricePerHour();
        return price.isPresent()
                ? Optional.of(
                        new Manifest.Cost(price.getAsDouble(), Cluster.executorHours(spark.sparkContext(), start, end)))
                : Optional.empty();
    }

    /** Tells what a run would do, and how long it would take. */
    private void dryRun(Input input, ModelDescription model, Instant start) throws IOException {
        if (output.rowsToAnswer() == 0) {
            LOG.info("No row is left to answer: a run would only complete the output {}", output.shown());
            return;
        }
        StatusLine.tell("counting tokens and measuring");
        boolean all = output.rowsToAnswer() == input.survey().rows();
        DryRun dryRun = DryRun.of(
                all ? input.rows() : output.rows(),
                input,
                Generation.of(input.rows(), input, options.generation(), configuration, RunLimits.NONE, null),
                output.tasks(),
                Duration.between(start, Instant.now()).toMillis() / 1e3,
                options.estimate().calibrationSeconds());
        StatusLine.tellNothing();
        new DryRunReport(options, model, input.survey().rows(), output, dryRun).print(out);
    }

    /** A complete output has no new answers, but may be asked for another score, or beside another run. */
    private void judgeAgain(Optional<Baseline> baseline) throws IOException {
        Verdict verdict = Verdict.of(spark, options.evaluation(), output, baseline);
        verdict.update(output);
        StatusLine.tellNothing();
        verdict.show(spark);
        requireScore(verdict);
    }

    private void requireScore(Verdict verdict) {
        verdict.score().flatMap(Score::shortfall).ifPresent(shortfall -> {
            throw new JobException(
                    ExitCode.NOT_GOOD_ENOUGH, shortfall + "; the output is complete, in " + output.shown());
        });
    }

    /** The index that passages are taken from, made if it is to be made; null where there are none. */
    private LocatedIndex index() throws IOException {
        // A dry run makes none, so that one that is not there is missed.
        if (options.documents().isPresent() && !options.estimate().dryRun()) {
            new IndexJob(spark, options.documents().get()).run();
        }
        return IndexDirectory.requireFor(options.generation(), configuration);
    }

    private void requireTimeLeft(RunLimits limits) {
        if (limits.isDeadlinePast()) {
            throw new JobException(
                    ExitCode.STOPPED,
                    "the --deadline " + options.limits().deadline().orElseThrow()
                            + " is past: no row was answered; give a later one");
        }
    }

    private void tellBeginning(ModelDescription model, long rows) {
        LOG.info(
                "{}: {} million parameters, {}; {} rows{}",
                options.generation().engine().modelName(),
                String.format(Locale.ROOT, "%,.1f", model.parameters() / 1e6),
                model.format(),
                String.format(Locale.ROOT, "%,d", rows),
                output.rowsToAnswer() == rows
                        ? ""
                        : String.format(Locale.ROOT, ", %,d of them answered before", rows - output.rowsToAnswer()));
    }

    private void requireAllRows(Manifest manifest, long rows, String reason) {
        boolean missing = manifest.rows() < rows && reason.equals(Manifest.Run.COMPLETED);
        // A table may have had rows before.
        boolean doubled = manifest.rows() > rows && options.output().table().isEmpty();
        if (missing || doubled) {
            throw new JobException(
                    ExitCode.FAILED,
                    "the output has " + manifest.rows() + " rows for " + rows
                            + " of the input: the input has changed while the job ran, or Spark has lost some; run it again"
                            + " with --output-mode overwrite");
        }
    }

    /** What the files of the job's model say of it. */
    static ModelDescription describe(JobOptions options, Configuration configuration) {
        EngineIdentity engine = options.generation().engine();
        return engine.models(configuration, LOG::info).describe(engine.model(), engine.quantization());
    }

    /** Writes the answers. */
    private ProgressReporter.Totals generate(Input input, RunLimits limits, Generation.Done done) {
        SparkContext context = spark.sparkContext();
        Dataset<Row> answers =
                Generation.answers(output.rows(), input, options.generation(), configuration, limits, done);
        try (ProgressReporter progress =
                new ProgressReporter(output.rowsToAnswer(), LOG::info, StatusLine.ofProcess())) {
            context.addSparkListener(progress);
            try {
                interruptible(() -> {
                    output.write(answers);
                    return null;
                });
            } catch (RuntimeException e) {
                throw StopSignals.reason(() -> left(input)).orElseThrow(() -> e);
            } finally {
                context.removeSparkListener(progress);
            }
            return progress.totals();
        }
    }

    /** What a run that was broken off leaves. */
    private String left(Input input) {
        String answered;
        try {
            answered = output.left(input.survey().rows());
        } catch (IOException e) {
            answered = "rows that are answered are in " + output.shown();
        }
        return answered + "; the same command goes on";
    }

    /** Lets the kill of a task interrupt its thread, which may be waiting for the engine. */
    private void interruptible(Callable<Void> action) {
        spark.sparkContext().setInterruptOnCancel(true);
        try {
            action.call();
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private void finish(Manifest manifest, Manifest.Run run, Verdict verdict, Report report) throws IOException {
        StatusLine.tellNothing();
        boolean tolerated = manifest.isTolerated(options);
        if (tolerated && !run.isStopped()) {
            // What is told afterwards may fail: the answers are complete all the same.
            output.markComplete();
        }
        if (options.show() > 0 && manifest.rows() > 0) {
            show();
        }
        verdict.show(spark);
        LOG.info("The run:\n{}", report.text());
        if (run.isStopped()) {
            throw stopped(manifest, run);
        }
        if (!tolerated) {
            throw tooManyErrors(manifest);
        }
        if (run.forecast().isPresent()) {
            output.forgetForecast();
        }
        LOG.info("The answers are in {}", output.shown());
        requireScore(verdict);
    }

    private JobException stopped(Manifest manifest, Manifest.Run run) {
        String limit = run.terminalReason().equals(Manifest.Run.DEADLINE)
                ? "--deadline " + options.limits().deadline().orElseThrow()
                : "--max-total-tokens " + options.limits().maxTotalTokens();
        return new JobException(
                ExitCode.STOPPED,
                String.format(
                        Locale.ROOT,
                        "stopped at the %s: %,d of %,d rows are answered and in %s; the same command with a later limit goes on",
                        limit,
                        manifest.rows(),
                        run.inputRows(),
                        output.shown()));
    }

    private JobException tooManyErrors(Manifest manifest) {
        String allowed = options.failOnError()
                ? "--fail-on-error"
                : "--max-error-ratio " + OptionValues.text(options.maxErrorRatio());
        String message = manifest.failedRows() == manifest.rows()
                ? String.format(Locale.ROOT, "none of %,d rows could be answered", manifest.rows())
                : String.format(
                        Locale.ROOT,
                        "%,d of %,d rows have errors, more than %s allows",
                        manifest.failedRows(),
                        manifest.rows(),
                        allowed);
        return new JobException(
                ExitCode.NOT_GOOD_ENOUGH,
                message + "; all rows are in " + output.shown() + "; one error: " + manifest.commonError());
    }

    private void show() {
        Dataset<Row> answers = output.answered();
        List<Column> columns = new ArrayList<>();
        columns.add(named(Answered.ID).as("custom_id"));
        columns.add(coalesce(named(Answered.TEXT), named(Answered.ERROR).getField("message"))
                .as("answer"));
        options.evaluation()
                .expected()
                .map(OutputColumns::named)
                .ifPresent(column -> columns.add(column.as("expected")));
        columns.add(named(Answered.FINISH_REASON).as("finish_reason"));
        // A sample of all rows, always the same.
        answers.orderBy(xxhash64(named(Answered.ID)))
                .select(columns.toArray(Column[]::new))
                .show(options.show(), 60);
    }
}
