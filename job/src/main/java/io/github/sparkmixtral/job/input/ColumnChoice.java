package io.github.sparkmixtral.job.input;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.Arguments;
import io.github.sparkmixtral.job.options.Columns;
import io.github.sparkmixtral.job.options.ExpectedMatch;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.OutputColumns;
import io.github.sparkmixtral.job.options.PromptTemplate;
import io.github.sparkmixtral.service.Task;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeSet;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.BooleanType;
import org.apache.spark.sql.types.ByteType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.IntegerType;
import org.apache.spark.sql.types.LongType;
import org.apache.spark.sql.types.ShortType;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructType;

/**
 * Which columns of the input say what, and which reach the output.
 *
 * @param id null where there are none, or ids are made
 * @param idSure whether the ids are meant to be unique: the column is named, or called {@code custom_id}
 * @param prompt null where there is none
 * @param messages null where there is none
 * @param parameters which may hold rows' own sampling parameters
 * @param ours columns of an earlier output of the job, which the new one replaces
 */
record ColumnChoice(
        String id,
        boolean idSure,
        String prompt,
        String messages,
        ParameterColumns parameters,
        Set<String> ours,
        Columns named) {

    /** Names of columns that a message shows. */
    private static final int SHOWN = 30;

    /** What TGI calls a prompt. */
    private static final String INPUTS = "inputs";

    /** What prompts are often called. One is not taken without being asked for; it may be data beside them. */
    private static final List<String> USUAL_PROMPTS =
            List.of("text", "question", "query", "input", "instruction", "content", "user_prompt", "input_text");

    /**
     * Chooses and checks.
     *
     * @param promptOption the option that names the column of prompts, for messages
     * @throws JobException with exit code 3 for a column that is named and missing, of the wrong type, or in the output's way,
     *     and where no column can be a prompt
     */
    static ColumnChoice of(StructType schema, InputFormat format, Columns named, String promptOption) {
        List<String> columns = Arrays.asList(schema.fieldNames());
        if (named.id() != null && !named.id().equals(Columns.NONE)) {
            require("--id-column", named.id(), schema);
        }
        if (named.prompt() != null) {
            require(promptOption, named.prompt(), schema);
        }
        if (named.messages() != null) {
            require("--messages-column", named.messages(), schema);
        }
        if (named.completion() != null) {
            require("--completion-column", named.completion(), schema);
        }
        PromptTemplate template = named.template();
        if (template != null) {
            requireTemplate(template, named, schema);
        }
        if (named.context() != null && named.context().query() != null) {
            named.context().query().columns().forEach(name -> require("--context-query", name, schema));
        }
        named.dropped().forEach(name -> require("--drop-columns", name, schema));
        if (named.parameters() != null) {
            named.parameters().forEach(name -> require("--parameter-columns", name, schema));
        }
        String id = id(columns, named);
        String prompt = named.namesPrompt() ? named.prompt() : prompt(columns, format);
        String messages = named.namesPrompt() ? named.messages() : messages(columns);
        boolean batch = columns.contains(BatchRequest.MODEL_INPUT)
                || columns.contains(BatchRequest.BODY)
                        && (columns.contains(BatchRequest.URL) || holdsObjects(schema, BatchRequest.BODY))
                || columns.contains(BatchRequest.PARAMS) && holdsObjects(schema, BatchRequest.PARAMS);
        // Without a prompt, a completion is a text of its own.
        if (prompt == null && messages == null && !batch && template == null && named.completion() == null) {
            throw noPrompt(columns);
        }
        Set<String> ours = OutputColumns.ours(schema, named);
        List<String> free = columns.stream()
                .filter(name -> !name.equals(id) && !name.equals(prompt) && !name.equals(messages))
                .filter(name -> template == null || !named.needed(template).contains(name))
                .filter(name -> !ours.contains(name))
                .toList();
        boolean inputs =
                INPUTS.equals(prompt) || template != null && template.columns().contains(INPUTS);
        ColumnChoice choice = new ColumnChoice(
                id,
                named.id() != null || id != null && !id.equals("id"),
                prompt,
                messages,
                ParameterColumns.of(free, named, inputs),
                ours,
                named);
        return format == InputFormat.JSONL ? choice : choice.typed(schema);
    }

    private static void requireTemplate(PromptTemplate template, Columns named, StructType schema) {
        for (String name : named.needed(template)) {
            boolean passages = name.equals(PromptTemplate.CONTEXT)
                    && !Arrays.asList(schema.fieldNames()).contains(name);
            if (passages) {
                throw JobException.input(
                        "--prompt-template has {context}, but no passages: give --context-index, or name a"
                                + " column of the input");
            }
            require("--prompt-template", name, schema);
        }
    }

    private static String id(List<String> columns, Columns named) {
        if (named.id() != null) {
            return named.id().equals(Columns.NONE) ? null : named.id();
        }
        return first(columns, OutputColumns.ID, "id", BatchRequest.RECORD_ID);
    }

    private static String prompt(List<String> columns, InputFormat format) {
        return format == InputFormat.TEXT ? first(columns, "text") : first(columns, "prompt", INPUTS);
    }

    private static String messages(List<String> columns) {
        return columns.contains("prompt") ? first(columns, "messages") : first(columns, "messages", "conversations");
    }

    private static JobException noPrompt(List<String> columns) {
        String way = "name one with --prompt-column, --messages-column or --prompt-template";
        if (columns.containsAll(List.of("instruction", "input"))) {
            way += ", such as --prompt-template '{instruction} {input}'";
        } else {
            way += USUAL_PROMPTS.stream()
                    .filter(columns::contains)
                    .findFirst()
                    .map(name -> ", such as --prompt-column " + name)
                    .orElse("");
        }
        return JobException.input("the input has no column prompt or messages: " + way + "; " + known(columns));
    }

    private static boolean holdsObjects(StructType schema, String column) {
        return JsonColumns.isNested(schema.apply(column));
    }

    /** Whether a row may be one of a batch file, as far as the types of the columns say. */
    boolean holdsRequests(StructType schema) {
        return !named.namesPrompt()
                && Arrays.stream(schema.fields())
                        .filter(field -> BatchRequest.HOLDERS.contains(field.name()))
                        .anyMatch(field ->
                                field.dataType() instanceof StructType || field.dataType() instanceof StringType);
    }

    private static String first(List<String> columns, String... candidates) {
        return Arrays.stream(candidates).filter(columns::contains).findFirst().orElse(null);
    }

    private static void require(String option, String name, StructType schema) {
        List<String> columns = Arrays.asList(schema.fieldNames());
        if (columns.contains(name)) {
            return;
        }
        int dot = name.indexOf('.');
        if (dot > 0 && columns.contains(name.substring(0, dot))) {
            throw JobException.input(option + " names " + name + ", which is a field inside of the column "
                    + name.substring(0, dot) + ": only whole columns can be named, so make a column of it first");
        }
        List<String> closest = Arguments.closestFirst(name, columns);
        throw JobException.input(option + " names " + name + ", which is no column of the input; " + known(closest));
    }

    /**
     * Refuses a column that answers cannot be compared with.
     *
     * @throws JobException with exit code 3
     */
    static void requireComparable(String option, String name, StructType schema) {
        require(option, name, schema);
        DataType type = schema.apply(name).dataType();
        if (!isTextOrWhole(type) && !(type instanceof BooleanType)) {
            throw wrongType(schema, name, "text, whole numbers or booleans for " + option);
        }
    }

    /**
     * Refuses a column that cannot hold expected answers.
     *
     * @throws JobException with exit code 3
     */
    static void requireExpected(String name, ExpectedMatch match, StructType schema) {
        require("--expected-column", name, schema);
        if (!match.takes(schema.apply(name).dataType())) {
            throw wrongType(
                    schema, name, match.wanted() + " for --expected-column with --expected-match " + match.text());
        }
    }

    private static boolean isTextOrWhole(DataType type) {
        return type instanceof StringType
                || type instanceof LongType
                || type instanceof IntegerType
                || type instanceof ShortType
                || type instanceof ByteType;
    }

    private static String known(List<String> columns) {
        if (columns.isEmpty()) {
            return "it has no columns";
        }
        int more = columns.size() - SHOWN;
        return "its columns are " + String.join(", ", columns.subList(0, Math.min(SHOWN, columns.size())))
                + (more > 0 ? " and " + more + " more" : "");
    }

    /** The same after a look at the types; an id that only is called so need not be one. */
    private ColumnChoice typed(StructType schema) {
        if (prompt != null && !(schema.apply(prompt).dataType() instanceof StringType)) {
            throw wrongType(schema, prompt, "text");
        }
        if (named.completion() != null && !(schema.apply(named.completion()).dataType() instanceof StringType)) {
            throw wrongType(schema, named.completion(), "text");
        }
        if (messages != null) {
            DataType type = schema.apply(messages).dataType();
            boolean array = type instanceof ArrayType messageArray && messageArray.elementType() instanceof StructType;
            if (!array && !(type instanceof StringType)) {
                throw wrongType(schema, messages, "an array of structs {role, content}, or text with JSON");
            }
        }
        if (id == null || isTextOrWhole(schema.apply(id).dataType())) {
            return this;
        }
        if (idSure) {
            throw wrongType(schema, id, "text or whole numbers");
        }
        return new ColumnChoice(null, false, prompt, messages, parameters, ours, named);
    }

    private static JobException wrongType(StructType schema, String column, String wanted) {
        return JobException.input("the input's column " + column + " must hold " + wanted + ", not "
                + schema.apply(column).dataType().simpleString());
    }

    private boolean isQueried(String name) {
        return named.context() != null
                && named.context().query() != null
                && named.context().query().columns().contains(name);
    }

    /** The columns that a request is made of. */
    String[] needed(StructType schema) {
        return Arrays.stream(schema.fieldNames())
                .filter(name -> name.equals(id)
                        || name.equals(prompt)
                        || name.equals(messages)
                        || name.equals(named.completion())
                        || name.equals(RequestReader.CORRUPT)
                        || !named.namesPrompt() && BatchRequest.isField(name)
                        || parameters.all().contains(name)
                        || named.template() != null
                                && named.needed(named.template()).contains(name)
                        || isQueried(name))
                .toArray(String[]::new);
    }

    /**
     * Chooses of rows what they ask for.
     *
     * @param schema of the table
     * @param idsRequired whether a row without an id that stands in no file is an error
     * @param root directory that file names are told from, with a slash at its end
     */
    RequestReader reader(
            StructType schema, InputFormat format, boolean idsRequired, Task task, String root, SparkSession spark) {
        return new RequestReader(
                format,
                needed(schema),
                id,
                idSure,
                idsRequired,
                prompt,
                messages,
                named.completion(),
                named.template(),
                named.hasContexts() ? named.context() : null,
                task,
                root,
                ZoneId.of(spark.sessionState().conf().sessionLocalTimeZone()),
                parameters.sure().toArray(String[]::new),
                parameters.open().toArray(String[]::new),
                named.namesPrompt());
    }

    /**
     * What a user should know about the choice.
     *
     * @param taken columns that hold rows' own sampling parameters
     */
    List<String> notes(List<String> taken) {
        List<String> notes = new ArrayList<>();
        if (named.parameters() == null && !taken.isEmpty()) {
            notes.add("rows' own sampling parameters are taken from " + shown(taken)
                    + "; --parameter-columns says which, or none");
        }
        List<String> data =
                parameters.open().stream().filter(name -> !taken.contains(name)).toList();
        if (!data.isEmpty()) {
            notes.add("no sampling parameters are taken from " + shown(data)
                    + ", because no value can be one; --parameter-columns says which are");
        }
        if (!ours.isEmpty()) {
            notes.add(
                    "the input is an output of this job: its columns " + String.join(", ", ours) + " will be replaced");
        }
        return notes;
    }

    /** What a user should know about names in the output. */
    static List<String> renamed(SequencedMap<String, String> kept) {
        List<String> names = kept.entrySet().stream()
                .filter(entry -> !entry.getKey().equals(entry.getValue()))
                .map(entry -> entry.getKey() + " is " + entry.getValue())
                .toList();
        return names.isEmpty()
                ? List.of()
                : List.of("columns of the input that the output has of its own get other names there: "
                        + String.join(", ", names) + "; --drop-columns leaves them out, --output-columns renames the"
                        + " output's");
    }

    private static String shown(List<String> columns) {
        return (columns.size() == 1 ? "the column " : "the columns ") + String.join(", ", columns);
    }

    /**
     * What columns are taken for, where the rows decide: true for what their names say, false for data. A job's later runs must
     * take them for the same.
     *
     * @param reader with the ids and the parameters that are taken
     */
    SequencedMap<String, Boolean> meanings(RequestReader reader) {
        SequencedMap<String, Boolean> meanings = new LinkedHashMap<>();
        if (id != null) {
            meanings.put(id, reader.idColumn() != null);
        }
        parameters
                .open()
                .forEach(name ->
                        meanings.put(name, Arrays.asList(reader.parameters()).contains(name)));
        return meanings;
    }

    /**
     * The columns that reach the output, each with its name there: all but those that are dropped and those that an output column of
     * the same meaning replaces. One whose name the output needs for itself, be it in other letters' case, is called {@code input_…}.
     *
     * @param taken columns that hold rows' own sampling parameters
     */
    SequencedMap<String, String> kept(StructType schema, List<String> taken) {
        Set<String> used = new TreeSet<>(String.CASE_INSENSITIVE_ORDER);
        used.addAll(OutputColumns.named(named));
        Set<String> own = new TreeSet<>(String.CASE_INSENSITIVE_ORDER);
        own.addAll(Arrays.asList(schema.fieldNames()));
        SequencedMap<String, String> kept = new LinkedHashMap<>();
        for (String name : schema.fieldNames()) {
            boolean replaced = ours.contains(name) || OutputColumns.replaces(name, id, taken.contains(name), named);
            if (!replaced && !named.dropped().contains(name)) {
                String output = name;
                if (used.contains(name) || name.isEmpty() || name.startsWith(Input.INTERNAL)) {
                    output = "input_" + name;
                    while (used.contains(output) || own.contains(output)) {
                        output = "input_" + output;
                    }
                }
                used.add(output);
                kept.put(name, output);
            }
        }
        return kept;
    }
}
