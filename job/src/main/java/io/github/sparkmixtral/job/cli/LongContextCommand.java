package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.longcontext.ContextFiles;
import io.github.sparkmixtral.job.longcontext.PasskeyFigure;
import io.github.sparkmixtral.job.longcontext.PerplexityFigure;
import io.github.sparkmixtral.job.options.Arguments;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.model.ModelDescription;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Unmatched;

/**
 * {@code spark-mixtral passkey} and {@code spark-mixtral perplexity}: a job whose rows, or whose columns, they choose themselves, and a
 * table and a picture of what comes out. Every option that is not theirs is the job's.
 */
abstract class LongContextCommand {
    @Option(names = "--output")
    String output;

    @Option(names = {"--help", "-h"})
    boolean help;

    @Unmatched
    List<String> job = new ArrayList<>();

    /**
     * Reads the arguments behind the name.
     *
     * @return the job and its table; empty if help was asked for, which is then printed
     */
    Optional<Subcommand.Call> parse(String[] arguments, PrintWriter out) {
        CommandLine commandLine =
                Arguments.commandLine(new CommandLine(this)).setUnmatchedOptionsArePositionalParams(false);
        Arguments.parse(commandLine, Arrays.asList(arguments), "");
        if (help) {
            out.print(usage());
            out.flush();
            return Optional.empty();
        }
        CommandLineOptions.require("--output", output != null && !output.isBlank(), "a directory");
        check();
        List<String> all = new ArrayList<>(jobArguments(new ContextFiles(output, null)));
        all.addAll(job);
        Optional<JobOptions> parsed = OptionParser.parse(all.toArray(String[]::new), out);
        if (parsed.isPresent() && parsed.get().estimate().dryRun()) {
            throw JobException.usage(
                    "--dry-run is for jobs, not for commands that make their rows themselves, or a table of"
                            + " the answers: leave it out");
        }
        return parsed.map(options -> SparkCall.of(options, (spark, table) -> run(spark, options, table)));
    }

    /** Whether the job's options say something themselves. */
    boolean isGiven(String option) {
        return job.stream().anyMatch(argument -> argument.equals(option) || argument.startsWith(option + "="));
    }

    abstract String usage();

    /** @throws JobException for options that make no figure */
    abstract void check();

    abstract List<String> jobArguments(ContextFiles files);

    /** Runs the job, and prints the table. */
    private void run(SparkSession spark, JobOptions options, PrintWriter out) throws Exception {
        ContextFiles files = new ContextFiles(output, spark.sessionState().newHadoopConf());
        prepare(options, files);
        new BatchJob(spark, options, out).run();
        out.print(figure(spark, files));
        out.flush();
    }

    abstract void prepare(JobOptions options, ContextFiles files) throws IOException;

    abstract String figure(SparkSession spark, ContextFiles files) throws IOException;

    /** Finds hidden numbers. */
    @Command(name = "spark-mixtral passkey")
    static final class Passkey extends LongContextCommand {
        private static final String MAX_TOKENS = "--max-tokens";
        private static final String TEMPERATURE = "--temperature";

        @Option(names = "--lengths", split = ",")
        List<Integer> lengths = List.of(500, 1000, 2000, 4000);

        @Option(names = "--depths", split = ",")
        List<Integer> depths = List.of(0, 25, 50, 75, 100);

        @Option(names = "--each")
        int each = 4;

        @Override
        String usage() {
            return """
                    Usage: spark-mixtral passkey --model PATH --output DIR [OPTIONS]

                    Hides a number in texts of several lengths, at several depths, asks for it, and prints how often the
                    answer has it. DIR gets prompts.jsonl, answers, passkey.csv and passkey.png.

                      --lengths=N,...   Tokens of the texts. Default: 500,1000,2000,4000
                      --depths=N,...    Where the number stands, in percent of the text. Default: 0,25,50,75,100
                      --each=N          Prompts for each length and depth. Default: 4

                    All other options are those of a job (spark-mixtral --help); --temperature is 0 and --max-tokens 32 if
                    they do not say otherwise.
                    """;
        }

        @Override
        void check() {
            requireDistinct("--lengths", lengths, 1, Integer.MAX_VALUE);
            requireDistinct("--depths", depths, 0, 100);
            OptionValues.requireAtLeast(1, "--each", each);
            Stream.of("--input", "--expected-column", "--task")
                    .filter(this::isGiven)
                    .findFirst()
                    .ifPresent(option -> {
                        throw JobException.usage("spark-mixtral passkey chooses " + option + " itself: leave it out");
                    });
        }

        private static void requireDistinct(String option, List<Integer> values, int from, int to) {
            if (values.isEmpty()
                    || new HashSet<>(values).size() < values.size()
                    || values.stream().anyMatch(value -> value < from || value > to)) {
                throw JobException.usage(option + " must be different whole numbers "
                        + (to == Integer.MAX_VALUE ? "from " + from + " on" : "in [" + from + ", " + to + "]")
                        + ", not " + values);
            }
        }

        @Override
        List<String> jobArguments(ContextFiles files) {
            List<String> arguments = new ArrayList<>(List.of(
                    "--input=" + PasskeyFigure.prompts(files),
                    "--output=" + files.answers(),
                    "--expected-column=expected",
                    "--expected-match=contains",
                    "--score-by=length"));
            if (!isGiven(TEMPERATURE)) {
                arguments.add(TEMPERATURE + "=0");
            }
            if (!isGiven(MAX_TOKENS)) {
                arguments.add(MAX_TOKENS + "=32");
            }
            return arguments;
        }

        @Override
        void prepare(JobOptions options, ContextFiles files) throws IOException {
            ModelDescription model = BatchJob.describe(options, files.configuration());
            int limit = options.generation().engine().maxModelLen() > 0
                    ? options.generation().engine().maxModelLen()
                    : model.config().maxPositions();
            for (int length : lengths) {
                if (length >= limit) {
                    throw JobException.usage("--lengths has " + length
                            + ", which leaves no room for an answer in a context of " + limit + " tokens");
                }
            }
            try {
                new PasskeyFigure(lengths, depths, each).writePrompts(model.tokenizer(), files);
            } catch (IllegalArgumentException e) {
                throw JobException.usage("--lengths: " + e.getMessage());
            }
        }

        @Override
        String figure(SparkSession spark, ContextFiles files) throws IOException {
            return new PasskeyFigure(lengths, depths, each).write(spark, files);
        }
    }

    /** Scores whole texts. */
    @Command(name = "spark-mixtral perplexity")
    static final class Perplexity extends LongContextCommand {
        @Option(names = "--text-column")
        String textColumn = "text";

        @Option(names = "--window")
        int window = 256;

        @Override
        String usage() {
            return """
                    Usage: spark-mixtral perplexity --model PATH --input PATH... --output DIR [OPTIONS]

                    Scores texts as they are, and prints how well their tokens are predicted, by how many tokens stand before.
                    DIR gets answers, perplexity.csv and perplexity.png.

                      --text-column=NAME   Column with the texts. Default: text
                      --window=N           Tokens whose places count as one. Default: 256

                    All other options are those of a job (spark-mixtral --help). A text that is longer than the context is a
                    row with an error.
                    """;
        }

        @Override
        void check() {
            OptionValues.requireAtLeast(1, "--window", window);
            Stream.of("--task", "--completion-column", "--logprobs", "--output-columns")
                    .filter(this::isGiven)
                    .findFirst()
                    .ifPresent(option -> {
                        throw JobException.usage(
                                "spark-mixtral perplexity chooses " + option + " itself: leave it out");
                    });
        }

        @Override
        List<String> jobArguments(ContextFiles files) {
            return List.of(
                    "--task=score", "--completion-column=" + textColumn, "--logprobs=0", "--output=" + files.answers());
        }

        @Override
        void prepare(JobOptions options, ContextFiles files) {}

        @Override
        String figure(SparkSession spark, ContextFiles files) throws IOException {
            return new PerplexityFigure(window).write(spark, files);
        }
    }
}
