package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.Arguments;
import io.github.sparkmixtral.job.options.JobOptions;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What the first word of the command line asks for.
 *
 * @param summary one line for {@code --help}
 */
record Subcommand(String name, String summary, Parser parser) {
    /** Stands before the options of another job. The launcher's demo writes it. */
    static final String THEN = "--then";

    private static final Subcommand RUN = new Subcommand(
            "run", "Answer a table of prompts. It is the default: run may be left out.", Subcommand::jobs);

    /** All of them, as {@code --help} lists them. */
    private static final List<Subcommand> ALL = List.of(
            RUN,
            new Subcommand("demo", "Run the demo: a small Mixtral answers prompts whose answers are known.", (_, _) -> {
                throw JobException.usage("the demo is started by the launcher, bin/spark-mixtral demo, which"
                        + " knows where the demo's model and prompts are");
            }),
            new Subcommand(
                    "index",
                    "Make an index of documents, from which a job takes passages for its prompts.",
                    (arguments, out) -> OptionParser.parse(arguments, IndexCommand::new, out)
                            .map(SparkCall::of)),
            new Subcommand(
                    "inspect",
                    "Tell what a model is, how much memory it needs, and where it fits.",
                    (arguments, out) -> OptionParser.parse(arguments, InspectCommand::new, out)
                            .map(LocalCall::of)),
            new Subcommand(
                    "chat",
                    "Talk with a model in a terminal, or through a pipe.",
                    (arguments, out) ->
                            OptionParser.parse(arguments, ChatCommand::new, out).map(LocalCall::of)),
            new Subcommand(
                    "show",
                    "Show what an output holds: its state, its report, its errors and rows.",
                    (arguments, out) ->
                            OptionParser.parse(arguments, ShowCommand::new, out).map(LocalCall::of)),
            new Subcommand(
                    "passkey",
                    "Hide numbers in long texts and print how often they are found.",
                    (arguments, out) -> new LongContextCommand.Passkey().parse(arguments, out)),
            new Subcommand(
                    "perplexity",
                    "Print how well long texts are predicted, by how many tokens stand before.",
                    (arguments, out) -> new LongContextCommand.Perplexity().parse(arguments, out)));

    /** Reads what stands behind the name. */
    interface Parser {
        /**
         * Checks every setting.
         *
         * @param out where help goes
         * @return empty if {@code --help} or {@code --version} was asked for, which is then printed
         * @throws JobException with exit code 2 and one sentence for the first fault
         */
        Optional<Call> parse(String[] arguments, PrintWriter out);
    }

    /** One call of a subcommand, whose settings are read and checked. */
    interface Call {
        /** Whether stack traces are shown. */
        boolean verbose();

        /** @param out gets what the subcommand prints; its log goes elsewhere */
        void run(PrintWriter out) throws Exception;
    }

    /**
     * Reads a command line.
     *
     * @return empty if help or the versions were asked for, which are then printed
     * @throws JobException with exit code 2 and one sentence for the first fault
     */
    static Optional<Call> parse(String[] arguments, PrintWriter out) {
        String first = arguments.length == 0 ? "" : arguments[0];
        // What is no word is an option, or a value that the parser of options says something about.
        if (!first.matches("\\p{Alpha}[\\p{Alpha}_-]*")) {
            return RUN.parser.parse(arguments, out);
        }
        Subcommand named = ALL.stream()
                .filter(subcommand -> subcommand.name.equals(first))
                .findFirst()
                .orElseThrow(() -> unknown(first));
        return named.parser.parse(Arrays.copyOfRange(arguments, 1, arguments.length), out);
    }

    /** One job, or several behind each other in one session of Spark. */
    private static Optional<Call> jobs(String[] arguments, PrintWriter out) {
        List<JobOptions> jobs = new ArrayList<>();
        int from = 0;
        for (int i = 0; i <= arguments.length; i++) {
            if (i == arguments.length || arguments[i].equals(THEN)) {
                Optional<JobOptions> job = OptionParser.parse(Arrays.copyOfRange(arguments, from, i), out);
                if (job.isEmpty()) {
                    return Optional.empty();
                }
                jobs.add(job.get());
                from = i + 1;
            }
        }
        return Optional.of(SparkCall.of(jobs));
    }

    private static JobException unknown(String name) {
        List<String> names = ALL.stream().map(Subcommand::name).toList();
        return JobException.usage("unknown subcommand " + name
                + Arguments.nearest(name, names)
                        .map(near -> "; did you mean " + near + "?")
                        .orElse(": there are " + String.join(", ", names)));
    }

    /** A line for each. */
    static String list() {
        return ALL.stream()
                .map(subcommand -> "  %-12s%s%n".formatted(subcommand.name, subcommand.summary))
                .collect(Collectors.joining());
    }
}
