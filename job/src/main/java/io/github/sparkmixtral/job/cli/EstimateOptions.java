package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.Estimate;
import io.github.sparkmixtral.job.options.OptionValues;
import java.util.OptionalDouble;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Option;

/** Options about the time and the cost of a run. */
final class EstimateOptions {
    private static final int CALIBRATION_SECONDS = 60;

    @Option(
            names = "--dry-run",
            defaultValue = "false",
            description =
                    "Write nothing: check all rows, count their tokens, and estimate time and cost of the run on this"
                            + " cluster. The estimate is remembered in ~/.cache, and _manifest.json compares it with the run.")
    boolean dryRun;

    @Option(
            names = "--calibration-seconds",
            showDefaultValue = Visibility.NEVER,
            paramLabel = "N",
            description = "How long --dry-run answers a random sample of the rows to measure this cluster, at most and"
                    + " beside loading the model; the answers are thrown away. 0 loads no model and estimates neither"
                    + " time nor cost. Default: 60")
    Integer calibrationSeconds;

    @Option(
            names = "--price-per-hour",
            showDefaultValue = Visibility.NEVER,
            paramLabel = "X",
            description =
                    "What the machine of one executor costs an hour, in any currency. The cost is this times the hours"
                            + " of all executors; local mode is one executor. It is in _manifest.json, and in what --dry-run prints.")
    Double pricePerHour;

    Estimate resolve() {
        if (calibrationSeconds != null) {
            if (!dryRun) {
                throw JobException.usage("--calibration-seconds needs --dry-run");
            }
            OptionValues.requireAtLeast(0, "--calibration-seconds", calibrationSeconds);
        }
        if (pricePerHour != null && !(pricePerHour > 0 && pricePerHour < Double.POSITIVE_INFINITY)) {
            throw JobException.usage(
                    "--price-per-hour must be a number above 0, not " + OptionValues.text(pricePerHour));
        }
        return new Estimate(
                dryRun,
                calibrationSeconds == null ? CALIBRATION_SECONDS : calibrationSeconds,
                pricePerHour == null ? OptionalDouble.empty() : OptionalDouble.of(pricePerHour));
    }
}
