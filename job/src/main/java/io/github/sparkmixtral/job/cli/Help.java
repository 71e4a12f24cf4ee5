package io.github.sparkmixtral.job.cli;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Help.Layout;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** What {@code --help} prints: the options by what they are about, each with its default, and examples. */
final class Help {
    private static final Map<String, String> HEADINGS = new LinkedHashMap<>();

    static {
        HEADINGS.put("model", "Model");
        HEADINGS.put("input", "Input");
        HEADINGS.put("columns", "Columns");
        HEADINGS.put("agent", "Agent (--task agent)");
        HEADINGS.put("output", "Output");
        HEADINGS.put("evaluation", "Evaluation");
        HEADINGS.put("sampling", "Sampling (a row's own columns of these names, as max_tokens, win over them)");
        HEADINGS.put("engine", "Engine");
        HEADINGS.put("general", "General");
    }

    private static final String INTRODUCTION = """
            Usage: spark-mixtral --model PATH --input PATH... --output DIR [OPTIONS]

            Answers a table of prompts with Mixtral, one output row per input row.
            A row that cannot be answered becomes a row with an error; it never fails the job.
            The same command again goes on where a killed one has stopped.
            """;

    private static final String EPILOGUE = """

            Examples
              spark-mixtral --model /models/Mixtral-8x7B-Instruct-v0.1 --input prompts.jsonl --output answers
              spark-mixtral --model mixtral.Q4_K_M.gguf --input reviews.csv --output answers \\
                --prompt-template 'Is this review positive? Answer yes or no. {review}' --temperature 0 --max-tokens 5
              spark-mixtral --config job.yaml --seed 7

            Exit codes
              0 done   2 wrong usage   3 invalid input   4 model cannot be loaded
              5 too many rows with errors, or a score that is too low   6 output is another job's
              7 stopped at a limit   1 anything else
            """;

    private Help() {}

    static void print(CommandLine commandLine, PrintWriter out) {
        commandLine.setUsageHelpAutoWidth(false).setUsageHelpWidth(110);
        CommandSpec spec = commandLine.getCommandSpec();
        spec.usageMessage().showDefaultValues(true);
        out.print(INTRODUCTION);
        HEADINGS.forEach((group, heading) -> {
            out.println();
            out.println(heading);
            List<OptionSpec> options = mixin(spec, group).options();
            CommandLine.Help help = new CommandLine.Help(spec);
            Layout layout = help.createDefaultLayout(options, List.of(), help.colorScheme());
            layout.addOptions(options, help.parameterLabelRenderer());
            out.print(layout);
        });
        out.print(EPILOGUE);
        out.flush();
    }

    private static CommandSpec mixin(CommandSpec spec, String group) {
        CommandSpec own = spec.mixins().get(group);
        return own != null ? own : spec.mixins().get("generation").mixins().get(group);
    }
}
