package io.github.sparkmixtral.job.options;

import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.engine.Pooling;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.service.RequestDefaults;
import io.github.sparkmixtral.service.RequestDefaults.Embedding;
import io.github.sparkmixtral.service.RequestDefaults.SpecialTokens;
import io.github.sparkmixtral.service.StructuredOutputReader;
import io.github.sparkmixtral.service.Task;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.spark.sql.types.DataType;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;

/**
 * The options that say how a table is answered, as they are written: those that the command line and the API share, with the same
 * names, types, defaults and checks.
 */
public final class GenerationArguments {
    /** Options whose value is a JSON object. */
    public static final Set<String> FORMATS = Set.of("--response-format", "--structured-outputs");

    private static final JsonMapper JSON = new JsonMapper();

    @Mixin
    private ModelOptions model;

    @Mixin
    private ColumnOptions columns;

    @Mixin
    private ToolOptions agent;

    @Mixin
    private ContextOptions context;

    @Mixin
    private SamplingOptions sampling;

    @Mixin
    private EngineOptions engine;

    /**
     * Checks and resolves values by name.
     *
     * @param values names with underscores or hyphens; numbers, texts, booleans, collections of them, and maps for {@code logit_bias},
     *     {@code output_columns}, {@code response_format} and {@code structured_outputs}
     * @throws IllegalArgumentException in one sentence for the first fault
     */
    public static GenerationOptions resolve(Map<String, ?> values) {
        CommandLine commandLine = Arguments.commandLine(new CommandLine(new Root()));
        List<String> known = Arguments.optionNames(commandLine, "").stream()
                .map(name -> name.replace('-', '_'))
                .toList();
        List<String> arguments = new ArrayList<>();
        values.forEach((name, value) -> {
            String option = name.replace('-', '_');
            if (!known.contains(option)) {
                throw new IllegalArgumentException("unknown option " + name
                        + Arguments.suggestion(option, known)
                                .replace(" (--help shows every option)", "; known are " + String.join(", ", known)));
            }
            add("--" + option.replace('_', '-'), value, arguments);
        });
        try {
            Arguments.parse(commandLine, arguments, "");
            return ((Root) commandLine.getCommand()).generation.resolve();
        } catch (JobException e) {
            throw new IllegalArgumentException(OptionValues.inApiSpelling(e.getMessage()), e);
        }
    }

    private static void add(String option, Object value, List<String> arguments) {
        switch (value) {
            case null -> {}
            case Collection<?> several -> several.forEach(one -> add(option, one, arguments));
            case Map<?, ?> format
            when FORMATS.contains(option) -> arguments.add(option + "=" + JSON.valueToTree(format));
            case Map<?, ?> pairs -> pairs.forEach((key, one) -> arguments.add(option + "=" + key + "=" + one));
            case Object[] several -> add(option, List.of(several), arguments);
            case Double number
            when number == Math.rint(number) && Math.abs(number) < 1e15 ->
                // Languages without whole numbers, and Spark's SQL literals, give 64.0 for 64.
                arguments.add(option + "=" + number.longValue());
            default -> arguments.add(option + "=" + value);
        }
    }

    @CommandLine.Command(name = "options")
    private static final class Root {
        @Mixin
        private GenerationArguments generation;
    }

    /**
     * Checks and resolves.
     *
     * @throws JobException with exit code 2 and one sentence for the first fault
     */
    public GenerationOptions resolve() {
        return resolve(Optional.empty());
    }

    /**
     * Checks and resolves.
     *
     * @param defaultIndex that passages are taken from if no option names one
     * @throws JobException with exit code 2 and one sentence for the first fault
     */
    public GenerationOptions resolve(Optional<String> defaultIndex) {
        model.requireModel();
        EngineIdentity identity = EngineIdentity.of(model, engine);
        requireMessages(columns.systemPrompt != null, "--system-prompt");
        requireMessages(columns.safePrompt, "--safe-prompt");
        if (context.isGiven(defaultIndex) && columns.task == Task.EMBED) {
            throw JobException.usage(
                    "--context-index has no meaning with --task embed: passages go into prompts that are answered");
        }
        requireTask(columns.completionColumn != null, "--completion-column", Task.SCORE);
        requireTask(!columns.choices.isEmpty(), "--choices", Task.CLASSIFY);
        requireTask(columns.pooling != null, "--pooling", Task.EMBED);
        requireTask(columns.normalize, "--normalize", Task.EMBED);
        if (columns.promptTemplate != null && columns.promptColumn != null) {
            throw JobException.usage(
                    "--prompt-template and --prompt-column exclude each other: both say what the prompt is");
        }
        SamplingParameters parameters = withChoices(sampling.parameters());
        requireAnswers(parameters);
        requireCalls(parameters);
        DataType parsed = parsed(parameters.structuredOutput());
        if (parsed != null && parameters.structuredOutput() == null) {
            parameters = parameters.withStructuredOutput(OutputColumnType.constraint(parsed));
        }
        PromptTemplate template = template();
        return new GenerationOptions(
                identity,
                new RequestDefaults(
                        columns.task,
                        columns.systemPrompt,
                        columns.safePrompt,
                        parameters,
                        columns.chatTemplate,
                        columns.specialTokens == null ? SpecialTokens.TEXT : columns.specialTokens,
                        new Embedding(columns.pooling == null ? Pooling.MEAN : columns.pooling, columns.normalize),
                        agent.resolve(columns.task, context.isGiven(defaultIndex))),
                new Columns(
                        columns.idColumn,
                        columns.promptColumn,
                        columns.messagesColumn,
                        template,
                        parameterColumns(),
                        columns.dropColumns,
                        outputColumns(),
                        columns.task,
                        completionColumn(),
                        parsed,
                        context.resolve(defaultIndex, template, columns.task)),
                sampling.requireComplete);
    }

    private void requireMessages(boolean given, String option) {
        if (given && !columns.task.takesMessages()) {
            throw JobException.usage(option + " needs --task chat: "
                    + (columns.task == Task.AGENT
                            ? "an agent has a text of its own, which --agent-prompt replaces"
                            : "a text that is taken as it is has no system message"));
        }
    }

    private void requireTask(boolean given, String option, Task task) {
        if (given && columns.task != task) {
            throw JobException.usage(option + " needs --task " + task.text() + ", not " + columns.task.text());
        }
    }

    /** Choices are what answers have to be, in other words. */
    private SamplingParameters withChoices(SamplingParameters parameters) {
        if (columns.choices.isEmpty()) {
            return parameters;
        }
        if (parameters.structuredOutput() != null) {
            throw JobException.usage(
                    "--choices and " + sampling.format() + " exclude each other: both say what answers have to be");
        }
        StructuredOutput choices = StructuredOutputReader.read(
                "structured_outputs", JSON.createObjectNode().set("choice", JSON.valueToTree(columns.choices)));
        if (columns.choices.stream().anyMatch(String::isEmpty)) {
            throw JobException.usage("--choices has an empty choice: every choice needs a text");
        }
        if (new HashSet<>(columns.choices).size() < columns.choices.size()) {
            throw JobException.usage("--choices has a choice twice");
        }
        return parameters.withStructuredOutput(choices);
    }

    /** Refuses what a task without generated text cannot give. */
    private void requireAnswers(SamplingParameters parameters) {
        if (columns.task.generates()) {
            return;
        }
        String why = " needs answers that are generated, which --task " + columns.task.text() + " has not";
        if (parameters.n() > 1) {
            throw JobException.usage("--n" + why);
        }
        if (parameters.promptLogprobs() >= 0) {
            throw JobException.usage("--prompt-logprobs" + why);
        }
        if (columns.outputColumnType != null) {
            throw JobException.usage("--output-column-type" + why);
        }
        StructuredOutput format = parameters.structuredOutput();
        if (format != null && (columns.task != Task.CLASSIFY || format.kind() != StructuredOutput.Kind.CHOICE)) {
            throw JobException.usage(sampling.format() + why);
        }
    }

    /** Refuses what the calls of an agent, and its one answer, leave no room for. */
    private void requireCalls(SamplingParameters parameters) {
        if (columns.task != Task.AGENT) {
            return;
        }
        String why = " cannot be given with --task agent, ";
        if (columns.messagesColumn != null) {
            throw JobException.usage("--messages-column" + why + "which asks with a prompt");
        }
        if (columns.outputColumnType != null) {
            throw JobException.usage("--output-column-type" + why + "whose answers are text");
        }
        if (parameters.structuredOutput() != null) {
            throw JobException.usage(sampling.format() + why + "whose answers are calls of its tools");
        }
        if (parameters.n() > 1 || parameters.logprobs() >= 0 || parameters.promptLogprobs() >= 0) {
            String option =
                    parameters.n() > 1 ? "--n" : parameters.logprobs() >= 0 ? "--logprobs" : "--prompt-logprobs";
            throw JobException.usage(option + why + "which gives one text");
        }
    }

    private String completionColumn() {
        if (columns.task != Task.SCORE) {
            return null;
        }
        return columns.completionColumn == null ? "completion" : columns.completionColumn;
    }

    /** Null for no such column. */
    private DataType parsed(StructuredOutput constraint) {
        if (columns.outputColumnType == null) {
            if (columns.outputColumns.containsKey(OutputColumns.PARSED)
                    || columns.outputColumns.containsKey(OutputColumns.PARSED_ERROR)) {
                throw JobException.usage("--output-columns renames " + OutputColumns.PARSED
                        + ", which needs --output-column-type: without it there is no such column");
            }
            return null;
        }
        try {
            DataType parsed = OutputColumnType.resolve(columns.outputColumnType, constraint);
            if (constraint == null) {
                sampling.requireNoFormat();
                StructuredOutputReader.check("its JSON schema", OutputColumnType.constraint(parsed));
            }
            return parsed;
        } catch (IllegalArgumentException e) {
            throw JobException.usage("--output-column-type " + e.getMessage());
        }
    }

    /** Null for auto. */
    private List<String> parameterColumns() {
        List<String> names = columns.parameterColumns;
        if (names.size() == 1 && names.getFirst().equalsIgnoreCase("auto")) {
            return null;
        }
        if (names.size() == 1 && names.getFirst().equalsIgnoreCase(Columns.NONE)) {
            return List.of();
        }
        for (String name : names) {
            if (!Columns.OF_PARAMETERS.contains(name)) {
                throw JobException.usage("--parameter-columns must be auto, none or names of parameters, not " + name
                        + ": columns are found by a parameter's name, which are "
                        + Columns.OF_PARAMETERS.stream().sorted().collect(Collectors.joining(", ")));
            }
        }
        return names;
    }

    private Map<String, String> outputColumns() {
        Map<String, String> used = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        for (String name : columns.outputColumns.keySet()) {
            if (!OutputColumns.names().contains(name)) {
                throw JobException.usage("--output-columns names " + name
                        + ", which is no column of an answer; they are " + String.join(", ", OutputColumns.names()));
            }
        }
        for (String name : OutputColumns.names()) {
            String given = columns.outputColumns.getOrDefault(name, name);
            String other = used.put(given, name);
            if (given.isBlank() || other != null) {
                throw JobException.usage("--output-columns gives " + name
                        + (given.isBlank() ? " no name" : " and " + other + " the same name " + given)
                        + ": names of columns must differ in more than case");
            }
        }
        return columns.outputColumns;
    }

    private PromptTemplate template() {
        try {
            return columns.promptTemplate == null ? null : PromptTemplate.parse(columns.promptTemplate);
        } catch (IllegalArgumentException e) {
            throw JobException.usage("--prompt-template " + e.getMessage());
        }
    }
}
