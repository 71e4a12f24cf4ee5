package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.job.options.DocumentOptions;
import io.github.sparkmixtral.job.options.GenerationArguments;
import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.job.options.IndexOptions;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.job.options.OutputFormat;
import io.github.sparkmixtral.job.options.OutputMode;
import io.github.sparkmixtral.job.options.OutputTarget;
import io.github.sparkmixtral.job.options.RetryFailed;
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
final class CommandLineOptions implements WrittenOptions<JobOptions> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private GenerationArguments generation;

    @Mixin
    private InputOptions input;

    @Mixin
    private DocumentsOptions documents;

    @Mixin
    private OutputOptions output;

    @Mixin
    private EvaluationOptions evaluation;

    @Mixin
    private RunOptions run;

    @Mixin
    private EstimateOptions estimate;

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
                        + " are skipped; batch files of OpenAI, Mistral, Anthropic and Bedrock, and JSON arrays, are"
                        + " understood as jsonl; csv may be separated by ; | or tabs.")
        InputFormat inputFormat;
    }

    static final class DocumentsOptions {
        @Option(
                names = "--documents",
                showDefaultValue = Visibility.NEVER,
                paramLabel = "PATH",
                arity = "1..*",
                description =
                        "Documents of which an index is made before the rows are answered from it, as spark-mixtral index does."
                                + " It goes to --context-index, or else to a directory called as --output with .index behind it,"
                                + " stays there, and is made again only with --output-mode overwrite. Default: none")
        List<String> documents = new ArrayList<>();

        @Option(
                names = "--documents-format",
                paramLabel = "jsonl|parquet|csv|text|table",
                description = "How the documents are stored. Default: guessed from their names")
        InputFormat documentsFormat;

        @Mixin
        DocumentOptions pieces;
    }

    static final class OutputOptions {
        @Option(
                names = "--output",
                paramLabel = "DIR",
                description =
                        "Directory for the files of answers, _job.json, _manifest.json and, last of all, _SUCCESS."
                                + " Required, but for a table.")
        String output;

        @Option(
                names = "--output-mode",
                paramLabel = "resume|error|overwrite",
                defaultValue = "resume",
                description = "What to do if the output exists: resume continues an incomplete one of the same job and"
                        + " leaves a complete one alone.")
        OutputMode outputMode;

        @Option(
                names = "--output-format",
                paramLabel = "parquet|jsonl|table",
                description = "jsonl is OpenAI's batch output, with its error files. Default: parquet, or table with"
                        + " --output-table")
        OutputFormat outputFormat;

        @Option(
                names = "--output-table",
                paramLabel = "NAME",
                description = "Table of the session's catalog that gets the answers; it is made if it is not there.")
        String outputTable;

        @Option(
                names = "--table-format",
                paramLabel = "NAME",
                description = "Data source of a new table, such as delta or iceberg, whose jars are yours to give."
                        + " Default: the session's")
        String tableFormat;

        @Option(
                names = "--partition-by",
                showDefaultValue = Visibility.NEVER,
                paramLabel = "NAME",
                split = ",",
                description = "Columns whose values become directories of the output, or partitions of the table."
                        + " Default: none")
        List<String> partitionBy = new ArrayList<>();

        @Option(
                names = "--retry-failed",
                paramLabel = "none|retryable|all",
                defaultValue = "retryable",
                description = "Which rows with errors a resumed job asks again.")
        RetryFailed retryFailed;

        @Option(
                names = "--chunk-rows",
                paramLabel = "N|auto",
                defaultValue = "auto",
                converter = OptionValues.CountOrAuto.class,
                description = "Rows of a file. A file is written whole when all of its rows are answered, so this is"
                        + " what a kill costs at most for each task; auto goes by the number of rows and --max-tokens.")
        int chunkRows;

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
                description = "Files and tasks of the output, another way to say --chunk-rows.")
        int partitions;

        @Option(
                names = "--show",
                paramLabel = "N",
                defaultValue = "0",
                description = "Print a sample of that many answers at the end.")
        int show;

        OutputFormat format() {
            OutputFormat format = outputFormat != null
                    ? outputFormat
                    : outputTable != null ? OutputFormat.TABLE : OutputFormat.PARQUET;
            if ((format == OutputFormat.TABLE) != (outputTable != null)) {
                throw JobException.usage(
                        outputTable == null
                                ? "--output-format table needs --output-table: the table's name"
                                : "--output-table needs --output-format table");
            }
            if (tableFormat != null && outputTable == null) {
                throw JobException.usage("--table-format needs --output-table: files have --output-format");
            }
            if (format == OutputFormat.JSONL && !partitionBy.isEmpty()) {
                throw JobException.usage("--partition-by needs columns, which --output-format jsonl does not write");
            }
            if (chunkRows > 0 && partitions > 0) {
                throw JobException.usage(
                        "--chunk-rows and --partitions exclude each other: both say how many rows a file has");
            }
            return format;
        }
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

    @Override
    public Optional<Path> configFile() {
        return Optional.ofNullable(general.config);
    }

    @Override
    public JobOptions resolve() {
        GenerationOptions resolved = generation.resolve(defaultIndex());
        if (resolved.columns().parsed() != null && output.format() == OutputFormat.JSONL) {
            throw JobException.usage(
                    "--output-column-type adds columns, which --output-format jsonl does not write: take parquet");
        }
        require("--input", !input.input.isEmpty(), "files, globs or a table name");
        OutputFormat format = output.format();
        require(
                "--output",
                format == OutputFormat.TABLE || output.output != null && !output.output.isBlank(),
                "a directory");
        OptionValues.requireAtLeast(0, "--show", output.show);
        if (!(output.maxErrorRatio >= 0 && output.maxErrorRatio <= 1)) {
            throw JobException.usage(
                    "--max-error-ratio must be in [0, 1], not " + OptionValues.text(output.maxErrorRatio));
        }
        return new JobOptions(
                resolved,
                input.input,
                Optional.ofNullable(input.inputFormat),
                documents(resolved),
                new OutputTarget(
                        Optional.ofNullable(output.output),
                        format,
                        output.outputMode,
                        Optional.ofNullable(output.outputTable),
                        Optional.ofNullable(output.tableFormat),
                        output.partitionBy,
                        output.retryFailed,
                        output.chunkRows),
                run.order,
                run.limits(),
                estimate.resolve(),
                output.partitions,
                output.failOnError,
                output.maxErrorRatio,
                output.show,
                evaluation.resolve(format, resolved.defaults().task()),
                general.verbose,
                resolved());
    }

    /** Where the index of documents goes if no option says it. */
    private Optional<String> defaultIndex() {
        boolean directory = output.output != null && !output.output.isBlank();
        return documents.documents.isEmpty() || !directory
                ? Optional.empty()
                : Optional.of(output.output.replaceAll("/+$", "") + ".index");
    }

    private Optional<IndexOptions> documents(GenerationOptions resolved) {
        if (documents.documents.isEmpty()) {
            documents.pieces.requireNone();
            if (documents.documentsFormat != null) {
                throw JobException.usage("--documents-format needs --documents");
            }
            return Optional.empty();
        }
        if (resolved.columns().context() == null) {
            throw JobException.usage("--documents needs --context-index, a directory for their index");
        }
        return Optional.of(documents.pieces.resolve(
                documents.documents,
                Optional.ofNullable(documents.documentsFormat),
                output.outputMode,
                resolved,
                general.verbose));
    }

    @Override
    public Help help() {
        return Help.RUN;
    }

    static void require(String option, boolean given, String what) {
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
