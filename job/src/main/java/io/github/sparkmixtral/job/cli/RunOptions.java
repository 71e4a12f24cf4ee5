package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.options.Limits;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.job.options.RowOrder;
import java.time.Instant;
import java.util.Optional;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Option;

/** Options that say in which order rows are answered, and when a run stops before its end. */
final class RunOptions {
    @Option(
            names = "--order",
            paramLabel = "input|prefix",
            defaultValue = "input",
            description = "prefix answers rows whose prompts begin alike together, so that each beginning is computed"
                    + " on few executors; rows then lie in that order in the output.")
    RowOrder order;

    @Option(
            names = "--deadline",
            showDefaultValue = Visibility.NEVER,
            paramLabel = "TIME",
            converter = Deadline.class,
            description = "Take no more rows from then on, finish those that run, write them, and exit with 7; the same"
                    + " command goes on. A time such as 2026-11-25T06:00 or 06:00, with Z or an offset if it is not the"
                    + " driver's zone, or from now on, such as 90m or 6h.")
    Instant deadline;

    @Option(
            names = "--max-total-tokens",
            showDefaultValue = Visibility.NEVER,
            paramLabel = "N",
            description = "Do the same when this run has spent that many tokens of prompts and answers. Rows that run"
                    + " then are finished.")
    Long maxTotalTokens;

    Limits limits() {
        if (maxTotalTokens != null) {
            OptionValues.requireAtLeast(1, "--max-total-tokens", maxTotalTokens);
        }
        return new Limits(Optional.ofNullable(deadline), maxTotalTokens == null ? 0 : maxTotalTokens);
    }
}
