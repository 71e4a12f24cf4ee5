package io.github.sparkmixtral.job;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.struct;
import static org.apache.spark.sql.functions.to_json;

import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apache.spark.sql.Column;
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
 * @param id null where ids are made
 * @param prompt null where there is none
 * @param messages null where there is none
 */
record ColumnChoice(String id, String prompt, String messages) {

    /**
     * Chooses and checks.
     *
     * @throws JobException with exit code 3 for a column that is named and missing, of the wrong type, or in the output's way,
     *     and where no column can be a prompt
     */
    static ColumnChoice of(StructType schema, InputFormat format, JobOptions options) {
        List<String> columns = Arrays.asList(schema.fieldNames());
        options.idColumn().ifPresent(name -> require("--id-column", name, columns));
        options.promptColumn().ifPresent(name -> require("--prompt-column", name, columns));
        if (!options.messagesColumn().equals("messages")) {
            require("--messages-column", options.messagesColumn(), columns);
        }
        options.promptTemplate()
                .ifPresent(template -> template.columns().forEach(name -> require("--prompt-template", name, columns)));
        options.expectedColumn().ifPresent(name -> requireComparable("--expected-column", name, schema));
        options.scoreBy().ifPresent(name -> requireComparable("--score-by", name, schema));
        String id = options.idColumn()
                .or(() -> List.of("custom_id", "id").stream()
                        .filter(columns::contains)
                        .findFirst())
                .orElse(null);
        String prompt = options.promptColumn()
                .or(() -> Optional.of(format == InputFormat.TEXT ? "text" : "prompt")
                        .filter(columns::contains))
                .orElse(null);
        String messages = columns.contains(options.messagesColumn()) ? options.messagesColumn() : null;
        boolean batch = columns.contains(RequestReader.BODY) && columns.contains(RequestReader.URL);
        if (prompt == null
                && messages == null
                && !batch
                && options.promptTemplate().isEmpty()) {
            throw JobException.input("the input has no column prompt or messages: name one with --prompt-column,"
                    + " --messages-column or --prompt-template; " + known(columns));
        }
        ColumnChoice choice = new ColumnChoice(id, prompt, messages);
        OutputColumns.requireNoClash(columns, id);
        if (format != InputFormat.JSONL) {
            choice.requireTypes(schema);
        }
        return choice;
    }

    private static void require(String option, String name, List<String> columns) {
        if (!columns.contains(name)) {
            throw JobException.input(
                    option + " names " + name + ", which is no column of the input; " + known(columns));
        }
    }

    private static void requireComparable(String option, String name, StructType schema) {
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

    /** The columns that make the request, as UTF-8 JSON. */
    Column request(StructType schema, JobOptions options) {
        Set<String> needed = new LinkedHashSet<>();
        for (String name : schema.fieldNames()) {
            boolean part = name.equals(id)
                    || name.equals(prompt)
                    || name.equals(messages)
                    || name.equals(RequestReader.CORRUPT)
                    || RequestReader.isField(name)
                    || options.promptTemplate()
                            .map(template -> template.columns().contains(name))
                            .orElse(false);
            if (part) {
                needed.add(name);
            }
        }
        Column[] fields = needed.stream().map(ColumnChoice::named).toArray(Column[]::new);
        return to_json(struct(fields)).cast("binary");
    }

    /** A top-level column, whatever characters its name has. */
    static Column named(String column) {
        return col("`" + column.replace("`", "``") + "`");
    }
}
