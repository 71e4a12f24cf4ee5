package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.agent.AgentOptions;
import io.github.sparkmixtral.agent.Calculator;
import io.github.sparkmixtral.agent.Search;
import io.github.sparkmixtral.agent.Toolbox;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.service.Task;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Option;

/** What the model of {@code --task agent} may call: options as they are written. */
public final class ToolOptions {
    private static final int MAX_TURNS = 8;
    private static final int TOOL_TIMEOUT = 30;
    private static final long MOST_PROMPT_BYTES = 1 << 20;

    @Option(
            names = "--tools",
            showDefaultValue = Visibility.NEVER,
            paramLabel = "NAME",
            split = ",",
            description =
                    "Tools that the model may call before it gives its final answer: Calculator, Search with --context-index or"
                            + " --documents, and those of jars on the class path. Default: Calculator, and Search if there is an"
                            + " index")
    List<String> tools = new ArrayList<>();

    @Option(
            names = "--max-turns",
            paramLabel = "N",
            description = "Most requests for a row, each of at most --max-tokens. Default: " + MAX_TURNS)
    Integer maxTurns;

    @Option(
            names = "--tool-timeout",
            paramLabel = "SECONDS",
            description = "Time that a call of a tool may take. Default: " + TOOL_TIMEOUT)
    Integer toolTimeout;

    @Option(
            names = "--agent-prompt",
            paramLabel = "FILE",
            description =
                    "System text in place of the one that lists the tools; {tools} and {examples} in it are filled in. With"
                            + " --agent-format native it is added to the tools, which the model's own format lists. Default: the"
                            + " own text; with native, none")
    Path agentPrompt;

    @Option(
            names = "--agent-format",
            paramLabel = "auto|json|native",
            description =
                    "How the model calls tools: json writes an object with tool_name and input and is held to it; native takes"
                            + " the tokens of Mistral's tokenizer v3. Default: auto, which is native if the model has them")
    AgentOptions.Format agentFormat;

    /**
     * Null for another task.
     *
     * @param searches whether there is an index
     */
    AgentOptions resolve(Task task, boolean searches) {
        if (task != Task.AGENT) {
            requireNone(!tools.isEmpty(), "--tools", task);
            requireNone(maxTurns != null, "--max-turns", task);
            requireNone(toolTimeout != null, "--tool-timeout", task);
            requireNone(agentPrompt != null, "--agent-prompt", task);
            requireNone(agentFormat != null, "--agent-format", task);
            return null;
        }
        OptionValues.requireAtLeast(1, "--max-turns", maxTurns == null ? MAX_TURNS : maxTurns);
        OptionValues.requireAtLeast(1, "--tool-timeout", toolTimeout == null ? TOOL_TIMEOUT : toolTimeout);
        AgentOptions options = new AgentOptions(
                tools.isEmpty() ? own(searches) : tools,
                maxTurns == null ? MAX_TURNS : maxTurns,
                toolTimeout == null ? TOOL_TIMEOUT : toolTimeout,
                agentPrompt == null ? null : text(agentPrompt),
                agentFormat == null ? AgentOptions.Format.AUTO : agentFormat,
                searches);
        try {
            Toolbox.ofNames(options);
        } catch (IllegalArgumentException e) {
            throw JobException.usage("--tools: " + e.getMessage());
        }
        return options;
    }

    private static List<String> own(boolean searches) {
        return searches ? List.of(Calculator.NAME, Search.NAME) : List.of(Calculator.NAME);
    }

    private static void requireNone(boolean given, String option, Task task) {
        if (given) {
            throw JobException.usage(option + " needs --task agent, not " + task.text());
        }
    }

    private static String text(Path file) {
        try {
            if (Files.isRegularFile(file) && Files.size(file) > MOST_PROMPT_BYTES) {
                throw JobException.usage("--agent-prompt " + file + " has more than " + MOST_PROMPT_BYTES + " bytes");
            }
            String text = Files.readString(file).strip();
            if (text.isEmpty()) {
                throw JobException.usage("--agent-prompt " + file + " is empty");
            }
            return text;
        } catch (IOException | InvalidPathException e) {
            throw JobException.usage("--agent-prompt " + file + " cannot be read: " + e.getMessage());
        }
    }
}
