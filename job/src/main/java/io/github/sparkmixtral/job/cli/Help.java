package io.github.sparkmixtral.job.cli;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import picocli.CommandLine;
import picocli.CommandLine.Help.Layout;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * What {@code --help} prints: the options by what they are about, each with its default, and examples.
 *
 * @param headings by the names of the groups
 */
record Help(String introduction, Map<String, String> headings, String epilogue) {
    static final Help RUN = new Help(
            """
            Usage: spark-mixtral [run] --model PATH --input PATH... --output DIR [OPTIONS]
                   spark-mixtral SUBCOMMAND [OPTIONS]

            Answers a table of prompts with Mixtral, one output row per input row.
            A row that cannot be answered becomes a row with an error; it never fails the job.
            The same command again goes on where a killed one has stopped.

            Subcommands (each has its own --help; the options below are those of run)
            """ + Subcommand.list(),
            headings(
                    "model", "Model",
                    "input", "Input",
                    "columns", "Columns",
                    "agent", "Agent (--task agent)",
                    "context", "Passages of documents in prompts",
                    "documents", "Documents that are indexed first",
                    "output", "Output",
                    "run", "Order and limits",
                    "estimate", "Time and cost",
                    "evaluation", "Evaluation",
                    "sampling", "Sampling (a row's own columns of these names, as max_tokens, win over them)",
                    "engine", "Engine",
                    "general", "General"),
            """

            Examples
              spark-mixtral --model /models/Mixtral-8x7B-Instruct-v0.1 --input prompts.jsonl --output answers
              spark-mixtral --model mixtral.Q4_K_M.gguf --input reviews.csv --output answers \\
                --prompt-template 'Is this review positive? Answer yes or no. {review}' --temperature 0 --max-tokens 5
              spark-mixtral --model mixtral.Q4_K_M.gguf --documents manuals.jsonl --input questions.jsonl --output answers
              spark-mixtral --config job.yaml --seed 7

            Exit codes
              0 done   2 wrong usage   3 invalid input   4 model cannot be loaded
              5 too many rows with errors, or a score that is too low   6 output is another job's
              7 stopped at a limit   130 stopped by Ctrl-C   143 stopped by SIGTERM   1 anything else
            """);

    static final Help INDEX = new Help(
            """
            Usage: spark-mixtral index --input PATH... --output DIR [--model PATH] [OPTIONS]

            Makes an index of documents, from which spark-mixtral --context-index takes passages for prompts.
            Words are always indexed; with a model, the embeddings that it makes are, too.
            """,
            headings(
                    "input", "Documents",
                    "documents", "Pieces",
                    "ids", "Columns and vectors",
                    "output", "Index",
                    "model", "Model",
                    "engine", "Engine",
                    "general", "General"),
            """

            Examples
              spark-mixtral index --input manuals.jsonl --text-column body --output manuals-index
              spark-mixtral --model mixtral.Q4_K_M.gguf --context-index manuals-index \\
                --input questions.jsonl --output answers

            Exit codes
              0 done   2 wrong usage   3 invalid documents   4 model cannot be loaded
              6 the index is another one   1 anything else
            """);

    static final Help CHAT = new Help(
            """
            Usage: spark-mixtral chat MODEL [OPTIONS]

            Lets one person try a model in a terminal: answers appear as they are generated, and what was said before
            goes along, in the model's own format. /help lists the commands. Prompts may also come through a pipe, a
            line each; then nothing but answers goes to standard output. It runs here, without Spark.
            """,
            headings(
                    "model", "Model (MODEL is what --model takes)",
                    "conversation", "Conversation",
                    "sampling", "Sampling (/set changes these while it runs)",
                    "engine", "Engine",
                    "general", "General"),
            """

            Examples
              spark-mixtral chat mixtral.Q4_K_M.gguf --temperature 0.7
              echo 'Name three rivers.' | spark-mixtral chat mixtral.Q4_K_M.gguf --max-tokens 50

            Exit codes
              0 done   2 wrong usage   3 a prompt from a pipe cannot be answered   4 model cannot be loaded
              1 anything else
            """);

    static final Help INSPECT = new Help(
            """
            Usage: spark-mixtral inspect MODEL [OPTIONS]

            Tells what a model is, how much memory it needs on each backend, and where it fits. Of the model's files only
            the heads are read, wherever they are; nothing is fetched, and Spark is not started.
            """,
            headings(
                    "model", "Model (MODEL is what --model takes)",
                    "place", "Where it is to run",
                    "engine", "Engine",
                    "general", "General"),
            """

            Examples
              spark-mixtral inspect mixtral.Q4_K_M.gguf
              spark-mixtral inspect mistralai/Mixtral-8x22B-Instruct-v0.1 --gpus 4x80g --memory 512g
              spark-mixtral inspect /models/Mixtral-8x7B-Instruct-v0.1 --max-model-len 8192 --json

            Exit codes
              0 done   2 wrong usage   4 model cannot be read, or is none that runs   1 anything else
            """);

    static final Help SHOW = new Help("""
            Usage: spark-mixtral show OUT [OPTIONS]

            Shows what an output holds, finished or not: how many rows of how many, the report of the last run, the kinds
            of errors, and rows. OUT is the --output directory of a job, on any file system that Hadoop opens.
            """, headings("shown", "Rows", "general", "General"), """

            Examples
              spark-mixtral show answers
              spark-mixtral show answers --errors -n 100
              spark-mixtral show s3a://bucket/answers --id 'prompts.jsonl#17'

            Exit codes
              0 done   2 wrong usage, or OUT is no output of a job
            """);

    private static Map<String, String> headings(String... groups) {
        Map<String, String> headings = new LinkedHashMap<>();
        for (int i = 0; i < groups.length; i += 2) {
            headings.put(groups[i], groups[i + 1]);
        }
        return headings;
    }

    void print(CommandLine commandLine, PrintWriter out) {
        commandLine.setUsageHelpAutoWidth(false).setUsageHelpWidth(110);
        CommandSpec spec = commandLine.getCommandSpec();
        spec.usageMessage().showDefaultValues(true);
        out.print(introduction);
        headings.forEach((group, heading) -> {
            out.println();
            out.println(heading);
            List<OptionSpec> options = mixin(spec, group).options();
            CommandLine.Help help = new CommandLine.Help(spec);
            Layout layout = help.createDefaultLayout(options, List.of(), help.colorScheme());
            layout.addOptions(options, help.parameterLabelRenderer());
            out.print(layout);
        });
        out.print(epilogue);
        out.flush();
    }

    private static CommandSpec mixin(CommandSpec spec, String group) {
        return spec.mixins().values().stream()
                .map(mixin -> mixin.mixins().get(group))
                .filter(Objects::nonNull)
                .findFirst()
                .orElseGet(() -> spec.mixins().get(group));
    }
}
