package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.job.options.GenerationArguments;
import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.job.options.OutputMode;
import io.github.sparkmixtral.job.options.Version;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The options as they are written; {@link #resolve} checks them and makes {@link JobOptions} of them. */
@Command(name = "spark-mixtral", sortOptions = false, sortSynopsis = false, versionProvider = Version.class)
final class CommandLineOptions {

    @Spec
    private CommandSpec spec;

    @Mixin
    private GenerationArguments generation;

    @Mixin
    private InputOptions input;

    @Mixin
    private OutputOptions output;

    @Mixin
    private GeneralOptions general;

    static final class InputOptions {
        @Option(
                names = "--input",
                showDefaultValue = Visibility.NEVER,
                paramLabel = "PATH",
                arity = "1..*",
                description =
                        "Files, directories or globs on any file system that Hadoop opens, or the name of a table."
                                + " Required.")
        List<String> input = new ArrayList<>();

        @Option(
                names = "--input-format",
                paramLabel = "jsonl|parquet|csv|text|table",
                description = "How the input is stored. Default: guessed from its name. Blank lines of jsonl and text"
                        + " are skipped; OpenAI batch files are understood as jsonl.")
        InputFormat inputFormat;
    }

    static final class OutputOptions {
        @Option(
                names = "--output",
                paramLabel = "DIR",
                description = "Directory for the Parquet files, _manifest.json and, last of all, _SUCCESS. Required.")
        String output;

        @Option(
                names = "--output-mode",
                paramLabel = "error|overwrite",
                defaultValue = "error",
                description = "What to do where the output exists.")
        OutputMode outputMode;

        @Option(
                names = "--max-error-ratio",
                paramLabel = "X",
                defaultValue = "1.0",
                description = "Exit with 5 where a larger share of the rows has an error. All rows are written all the"
                        + " same.")
        double maxErrorRatio;

        @Option(names = "--fail-on-error", defaultValue = "false", description = "The same as --max-error-ratio 0.")
        boolean failOnError;

        @Option(
                names = "--partitions",
                paramLabel = "N|auto",
                defaultValue = "auto",
                converter = OptionValues.CountOrAuto.class,
                description = "Tasks, and so output files; auto goes by the input's size and the cluster's cores.")
        int partitions;

        @Option(
                names = "--show",
                paramLabel = "N",
                defaultValue = "0",
                description = "Print a sample of that many answers at the end.")
        int show;

        @Option(
                names = "--expected-column",
                paramLabel = "NAME",
                description =
                        "Score the answers: count those that are the text in this column, white space at both ends"
                                + " aside. The score is printed and stands in _manifest.json. Rows with errors are misses; rows"
                                + " without an expected text are not scored.")
        String expectedColumn;

        @Option(
                names = "--score-by",
                paramLabel = "NAME",
                description = "Score each value of this column by itself too; needs --expected-column.")
        String scoreBy;
    }

    static final class GeneralOptions {
        @Option(
                names = "--config",
                paramLabel = "FILE",
                description = "YAML file with any of these options by the same names; the command line wins over it.")
        Path config;

        @Option(names = "--verbose", defaultValue = "false", description = "Show Spark's log and full stack traces.")
        boolean verbose;

        @Option(names = "--help", usageHelp = true, description = "Print this.")
        boolean help;

        @Option(names = "--version", versionHelp = true, description = "Print the versions.")
        boolean version;
    }

    Optional<Path> configFile() {
        return Optional.ofNullable(general.config);
    }

    /**
     * Checks every setting.
     *
     * @throws JobException with exit code 2 and one sentence for the first fault
     */
    JobOptions resolve() {
        GenerationOptions resolved = generation.resolve();
        require("--input", !input.input.isEmpty(), "files, globs or a table name");
        require("--output", output.output != null && !output.output.isBlank(), "a directory");
        OptionValues.requireAtLeast(0, "--show", output.show);
        if (!(output.maxErrorRatio >= 0 && output.maxErrorRatio <= 1)) {
            throw JobException.usage(
                    "--max-error-ratio must be in [0, 1], not " + OptionValues.text(output.maxErrorRatio));
        }
        if (output.scoreBy != null && output.expectedColumn == null) {
            throw JobException.usage("--score-by needs --expected-column: without it there is nothing to score");
        }
        return new JobOptions(
                resolved,
                input.input,
                Optional.ofNullable(input.inputFormat),
                output.output,
                output.outputMode,
                output.partitions,
                output.failOnError,
                output.maxErrorRatio,
                output.show,
                Optional.ofNullable(output.expectedColumn),
                Optional.ofNullable(output.scoreBy),
                general.verbose,
                resolved());
    }

    private static void require(String option, boolean given, String what) {
        if (!given) {
            throw JobException.usage(option + " is missing: give " + what + " (--help shows every option)");
        }
    }

    /** Every setting that has a value, in the spelling of the command line. */
    private Map<String, List<String>> resolved() {
        Map<String, List<String>> values = new TreeMap<>();
        for (OptionSpec option : spec.options()) {
            List<String> given = option.originalStringValues();
            if (!given.isEmpty()) {
                values.put(
                        OptionValues.name(option),
                        given.stream().map(Redaction::redact).toList());
            } else if (option.defaultValue() != null) {
                values.put(OptionValues.name(option), List.of(option.defaultValue()));
            }
        }
        return values;
    }
}
