package io.github.sparkmixtral.job;

import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.service.Task;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
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
    private ModelOptions model;

    @Mixin
    private InputOptions input;

    @Mixin
    private OutputOptions output;

    @Mixin
    private SamplingOptions sampling;

    @Mixin
    private EngineOptions engine;

    @Mixin
    private GeneralOptions general;

    static final class ModelOptions {
        @Option(
                names = "--model",
                paramLabel = "PATH",
                description =
                        "Hugging Face directory or GGUF file of a Mixtral: a local path, or a URI that Hadoop opens"
                                + " (hdfs://, s3a://, …), which is fetched once per host. Required.")
        String model;

        @Option(
                names = "--model-cache",
                paramLabel = "DIR",
                description = "Where fetched models are kept on each host. Nothing in it is ever removed."
                        + " Default: spark-mixtral/models in $XDG_CACHE_HOME or ~/.cache")
        Path modelCache;

        @Option(
                names = "--quantization",
                paramLabel = "none|q8_0|q4_0",
                defaultValue = "none",
                description =
                        "Quantize the weights of a Hugging Face model on load; none keeps them as they are stored.")
        Quantization quantization;
    }

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

        @Option(
                names = "--prompt-column",
                paramLabel = "NAME",
                description = "Column with the prompt. Default: prompt; for text input, the line")
        String promptColumn;

        @Option(
                names = "--messages-column",
                paramLabel = "NAME",
                defaultValue = "messages",
                description = "Column with a conversation: an array of {role, content}, or the same as JSON text."
                        + " A row that has one does not need a prompt.")
        String messagesColumn;

        @Option(
                names = "--id-column",
                paramLabel = "NAME",
                description = "Column with a unique id. Default: custom_id, else id; without one, ids are made of file"
                        + " and position, the same in every run")
        String idColumn;

        @Option(
                names = "--prompt-template",
                paramLabel = "TEXT",
                description = "Make the prompt of other columns: 'Translate into {language}: {text}'. {{ and }} are"
                        + " braces.")
        String promptTemplate;

        @Option(
                names = "--system-prompt",
                paramLabel = "TEXT",
                description = "System message for every row that has none of its own; needs --task chat.")
        String systemPrompt;

        @Option(
                names = "--task",
                paramLabel = "chat|complete",
                defaultValue = "chat",
                description = "chat makes a prompt one user message in the model's instruct format; complete continues"
                        + " it as it is, after BOS.")
        Task task;
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

    static final class SamplingOptions {
        @Option(
                names = "--max-tokens",
                paramLabel = "N",
                defaultValue = "512",
                description = "Most tokens to generate; answers cut there have finish_reason length.")
        int maxTokens;

        @Option(
                names = "--min-tokens",
                paramLabel = "N",
                defaultValue = "0",
                description = "No end of sequence or stop before that many.")
        int minTokens;

        @Option(names = "--temperature", paramLabel = "X", defaultValue = "1.0", description = "0 is greedy.")
        double temperature;

        @Option(
                names = "--top-p",
                paramLabel = "X",
                defaultValue = "1.0",
                description = "Keep the likeliest tokens that make up this probability, in (0, 1].")
        double topP;

        @Option(
                names = "--top-k",
                paramLabel = "N",
                defaultValue = "0",
                description = "Keep the N likeliest tokens; 0 keeps all.")
        int topK;

        @Option(
                names = "--min-p",
                paramLabel = "X",
                defaultValue = "0.0",
                description = "Drop tokens less likely than X times the likeliest, in [0, 1].")
        double minP;

        @Option(
                names = "--repetition-penalty",
                paramLabel = "X",
                defaultValue = "1.0",
                description = "Over prompt and answer, in (0, 2]; 1 is off.")
        double repetitionPenalty;

        @Option(
                names = "--presence-penalty",
                paramLabel = "X",
                defaultValue = "0.0",
                description = "Over the answer, in [-2, 2].")
        double presencePenalty;

        @Option(
                names = "--frequency-penalty",
                paramLabel = "X",
                defaultValue = "0.0",
                description = "Over the answer, in [-2, 2].")
        double frequencyPenalty;

        @Option(
                names = "--seed",
                paramLabel = "N",
                defaultValue = "0",
                description = "With a row's id it decides every draw, however the rows are spread.")
        long seed;

        @Option(
                names = "--stop",
                showDefaultValue = Visibility.NEVER,
                paramLabel = "TEXT",
                description = "End the answer at this text and cut it off; may be given more than once. Default: none")
        List<String> stop = new ArrayList<>();

        @Option(
                names = "--stop-token-ids",
                showDefaultValue = Visibility.NEVER,
                paramLabel = "ID",
                split = ",",
                description = "End the answer at these tokens. Default: none")
        List<Integer> stopTokenIds = new ArrayList<>();

        @Option(
                names = "--n",
                paramLabel = "N",
                defaultValue = "1",
                description = "Answers per prompt; more than one come in the column outputs.")
        int n;

        @Option(
                names = "--logprobs",
                paramLabel = "N|none",
                defaultValue = "none",
                converter = OptionValues.CountOrNone.class,
                description = "Log-probabilities: the chosen token's and those of the N likeliest, N in [0, 20].")
        int logprobs;

        @Option(
                names = "--ignore-eos",
                defaultValue = "false",
                description = "Keep generating past the end-of-sequence token.")
        boolean ignoreEos;

        @Option(
                names = "--logit-bias",
                showDefaultValue = Visibility.NEVER,
                paramLabel = "ID=X",
                split = ",",
                description = "Added to a token's logit, in [-100, 100]. Default: none")
        Map<Integer, Double> logitBias = new LinkedHashMap<>();

        SamplingParameters parameters() {
            try {
                return new SamplingParameters(
                        maxTokens,
                        minTokens,
                        temperature,
                        topP,
                        topK,
                        minP,
                        repetitionPenalty,
                        presencePenalty,
                        frequencyPenalty,
                        seed,
                        stop,
                        stopTokenIds,
                        n,
                        logprobs,
                        ignoreEos,
                        logitBias);
            } catch (IllegalArgumentException e) {
                throw JobException.usage(OptionValues.inOptionSpelling(e.getMessage()));
            }
        }
    }

    static final class EngineOptions {
        @Option(
                names = "--backend",
                paramLabel = "NAME",
                defaultValue = "auto",
                description = "auto takes the best that is available; cpu runs anywhere.")
        String backend;

        @Option(
                names = "--max-num-seqs",
                paramLabel = "N",
                defaultValue = "64",
                description = "Most sequences in one step of an executor's engine.")
        int maxNumSeqs;

        @Option(
                names = "--max-num-batched-tokens",
                paramLabel = "N",
                defaultValue = "2048",
                description = "Most tokens in one step.")
        int maxNumBatchedTokens;

        @Option(
                names = "--kv-cache-memory",
                paramLabel = "SIZE|auto",
                defaultValue = "auto",
                converter = OptionValues.SizeOrAuto.class,
                description = "Memory for keys and values, such as 512m or 4g.")
        long kvCacheMemory;

        @Option(
                names = "--max-model-len",
                paramLabel = "N|auto",
                defaultValue = "auto",
                converter = OptionValues.CountOrAuto.class,
                description = "Longest prompt and answer together, in tokens; auto is the model's own limit.")
        int maxModelLen;

        @Option(
                names = "--num-threads",
                paramLabel = "N|auto",
                defaultValue = "auto",
                converter = OptionValues.CountOrAuto.class,
                description =
                        "Threads of the cpu backend of each executor; auto takes as many as its JVM sees processors.")
        int numThreads;
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
        require("--model", model.model != null && !model.model.isBlank(), "a directory, file or URI");
        require("--input", !input.input.isEmpty(), "files, globs or a table name");
        require("--output", output.output != null && !output.output.isBlank(), "a directory");
        OptionValues.requireAtLeast(1, "--max-num-seqs", engine.maxNumSeqs);
        OptionValues.requireAtLeast(1, "--max-num-batched-tokens", engine.maxNumBatchedTokens);
        OptionValues.requireAtLeast(0, "--show", output.show);
        if (!(output.maxErrorRatio >= 0 && output.maxErrorRatio <= 1)) {
            throw JobException.usage(
                    "--max-error-ratio must be in [0, 1], not " + OptionValues.text(output.maxErrorRatio));
        }
        if (output.scoreBy != null && output.expectedColumn == null) {
            throw JobException.usage("--score-by needs --expected-column: without it there is nothing to score");
        }
        if (input.systemPrompt != null && input.task == Task.COMPLETE) {
            throw JobException.usage(
                    "--system-prompt needs --task chat: a text that is continued has no system message");
        }
        if (input.promptTemplate != null && input.promptColumn != null) {
            throw JobException.usage(
                    "--prompt-template and --prompt-column exclude each other: both say what the prompt is");
        }
        return new JobOptions(
                model.model,
                input.input,
                Optional.ofNullable(input.inputFormat),
                Optional.ofNullable(input.idColumn),
                Optional.ofNullable(input.promptColumn),
                input.messagesColumn,
                promptTemplate(),
                Optional.ofNullable(input.systemPrompt),
                input.task,
                output.output,
                output.outputMode,
                sampling.parameters(),
                model.quantization,
                engine.backend,
                engine.maxNumSeqs,
                engine.maxNumBatchedTokens,
                engine.kvCacheMemory,
                engine.maxModelLen,
                engine.numThreads,
                model.modelCache == null ? ModelCache.defaultDirectory() : model.modelCache,
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

    private Optional<PromptTemplate> promptTemplate() {
        try {
            return Optional.ofNullable(input.promptTemplate).map(PromptTemplate::parse);
        } catch (IllegalArgumentException e) {
            throw JobException.usage("--prompt-template " + e.getMessage());
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
