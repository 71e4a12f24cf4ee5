package io.github.sparkmixtral.job.input;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.Columns;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.OutputColumns;
import io.github.sparkmixtral.job.options.PromptTemplate;
import io.github.sparkmixtral.service.Task;
import java.time.ZoneId;
import java.util.Arrays;
import java.util.List;
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
 * Which columns of the input say what.
 *
 * @param id null where there are none, or ids are made
 * @param prompt null where there is none
 * @param messages null where there is none
 */
record ColumnChoice(String id, String prompt, String messages, Columns named) {

    /**
     * Chooses and checks.
     *
     * @throws JobException with exit code 3 for a column that is named and missing, of the wrong type, or in the output's way,
     *     and where no column can be a prompt
     */
    static ColumnChoice of(StructType schema, InputFormat format, Columns named) {
        List<String> columns = Arrays.asList(schema.fieldNames());
        if (named.id() != null) {
            require("--id-column", named.id(), columns);
        }
        if (named.prompt() != null) {
            require("--prompt-column", named.prompt(), columns);
        }
        if (!named.messages().equals("messages")) {
            require("--messages-column", named.messages(), columns);
        }
        PromptTemplate template = named.template();
        if (template != null) {
            template.columns().forEach(name -> require("--prompt-template", name, columns));
        }
        String id = named.id() != null ? named.id() : first(columns, "custom_id", "id", BatchRequest.RECORD_ID);
        String prompt = named.prompt() != null
                ? named.prompt()
                : format == InputFormat.TEXT ? first(columns, "text") : first(columns, "prompt", RequestReader.INPUTS);
        String messages = first(columns, named.messages());
        boolean batch = columns.contains(BatchRequest.MODEL_INPUT)
                || columns.contains(BatchRequest.BODY)
                        && (columns.contains(BatchRequest.URL) || holdsObjects(schema, BatchRequest.BODY))
                || columns.contains(BatchRequest.PARAMS) && holdsObjects(schema, BatchRequest.PARAMS);
        if (prompt == null && messages == null && !batch && template == null) {
            throw JobException.input("the input has no column prompt or messages: name one with --prompt-column,"
                    + " --messages-column or --prompt-template; " + known(columns));
        }
        ColumnChoice choice = new ColumnChoice(id, prompt, messages, named);
        OutputColumns.requireNoClash(columns, id, named);
        if (format != InputFormat.JSONL) {
            choice.requireTypes(schema);
        }
        return choice;
    }

    private static boolean holdsObjects(StructType schema, String column) {
        return JsonColumns.isNested(schema.apply(column));
    }

    private static String first(List<String> columns, String... candidates) {
        return Arrays.stream(candidates).filter(columns::contains).findFirst().orElse(null);
    }

    private static void require(String option, String name, List<String> columns) {
        if (!columns.contains(name)) {
            throw JobException.input(
                    option + " names " + name + ", which is no column of the input; " + known(columns));
        }
    }

    /**
     * Refuses a column that answers cannot be compared with.
     *
     * @throws JobException with exit code 3
     */
    static void requireComparable(String option, String name, StructType schema) {
        require(option, name, Arrays.asList(schema.fieldNames()));
        DataType type = schema.apply(name).dataType();
        if (!isTextOrWhole(type) && !(type instanceof BooleanType)) {
            throw wrongType(schema, name, "text, whole numbers or booleans for " + option);
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
        return "its columns are " + String.join(", ", columns);
    }

    private void requireTypes(StructType schema) {
        if (prompt != null && !(schema.apply(prompt).dataType() instanceof StringType)) {
            throw wrongType(schema, prompt, "text");
        }
        if (messages != null) {
            DataType type = schema.apply(messages).dataType();
            boolean array = type instanceof ArrayType messageArray && messageArray.elementType() instanceof StructType;
            if (!array && !(type instanceof StringType)) {
                throw wrongType(schema, messages, "an array of structs {role, content}, or text with JSON");
            }
        }
        if (id != null) {
            if (!isTextOrWhole(schema.apply(id).dataType())) {
                throw wrongType(schema, id, "text or whole numbers");
            }
        }
    }

    private static JobException wrongType(StructType schema, String column, String wanted) {
        return JobException.input("the input's column " + column + " must hold " + wanted + ", not "
                + schema.apply(column).dataType().simpleString());
    }

    /** The columns that a request is made of. */
    String[] needed(StructType schema) {
        return Arrays.stream(schema.fieldNames())
                .filter(name -> name.equals(id)
                        || name.equals(prompt)
                        || name.equals(messages)
                        || name.equals(RequestReader.CORRUPT)
                        || RequestReader.isField(name)
                        || named.template() != null
                                && named.template().columns().contains(name))
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
                idsRequired,
                prompt,
                messages,
                named.template(),
                task,
                root,
                ZoneId.of(spark.sessionState().conf().sessionLocalTimeZone()));
    }

    /** The columns that reach the output: all but those that an output column of the same meaning replaces. */
    List<String> kept(StructType schema) {
        return Arrays.stream(schema.fieldNames())
                .filter(name -> !OutputColumns.replaces(name, id, named))
                .toList();
    }
}
