package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.job.options.Columns;
import io.github.sparkmixtral.service.ParametersReader;
import io.github.sparkmixtral.service.RequestDefaults;
import io.github.sparkmixtral.service.StructuredOutputReader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Counts the rows of each block of a file, or of a partition of a table, and sees what they ask for.
 *
 * @param line column of the line; null where there are no lines
 * @param defaults the job's, under what a row asks for
 */
record RowSurvey(RequestReader reader, String line, RequestDefaults defaults)
        implements MapPartitionsFunction<Row, Row> {

    static final StructType SCHEMA = new StructType()
            .add("file", DataTypes.StringType, false)
            .add("start", DataTypes.LongType, false)
            .add("lines", DataTypes.LongType, false)
            .add("rows", DataTypes.LongType, false)
            .add("ids_given", DataTypes.BooleanType, false)
            .add("several_outputs", DataTypes.BooleanType, false)
            .add("logprobs", DataTypes.BooleanType, false)
            .add("choices", DataTypes.BooleanType, false)
            .add("prompt_logprobs", DataTypes.BooleanType, false)
            .add("tools", DataTypes.BooleanType, false)
            .add("fitting", DataTypes.createArrayType(DataTypes.StringType), false)
            .add("unfitting", DataTypes.createArrayType(DataTypes.StringType), false)
            .add("askable", DataTypes.BooleanType, false)
            .add("codes", DataTypes.createArrayType(DataTypes.StringType), false)
            .add("errors", DataTypes.createArrayType(DataTypes.StringType), false)
            .add("positions", DataTypes.createArrayType(DataTypes.LongType), false);

    /**
     * What is wrong with a row.
     *
     * @param message without the row's place
     * @param position in the row's block, or in its file if that is known already; from 1
     */
    record Fault(String message, long position) {}

    /** What was found in one block of a file, or in one partition of a table. */
    static final class Block {
        final String file;

        /** Offset of the block in its file, in bytes. */
        final long start;

        /** Rows and blank lines. */
        long lines;

        long rows;
        boolean idsGiven;
        boolean severalOutputs;
        boolean logprobs;
        boolean choices;
        boolean promptLogprobs;
        boolean tools;

        /** Open columns with a value that can be a parameter. */
        final Set<String> fitting = new TreeSet<>();

        /** Open columns with a value that can be data. */
        final Set<String> unfitting = new TreeSet<>();

        /** Whether a row can become a request, as far as is known without the model. */
        boolean askable;

        /** The first row with an error, by the error's code. */
        final Map<String, Fault> errors = new LinkedHashMap<>();

        Block(String file, long start) {
            this.file = file;
            this.start = start;
        }

        private Row row() {
            return RowFactory.create(
                    file,
                    start,
                    lines,
                    rows,
                    idsGiven,
                    severalOutputs,
                    logprobs,
                    choices,
                    promptLogprobs,
                    tools,
                    fitting.toArray(),
                    unfitting.toArray(),
                    askable,
                    errors.keySet().toArray(),
                    errors.values().stream().map(Fault::message).toArray(),
                    errors.values().stream().map(Fault::position).toArray());
        }

        private static Block of(Row row) {
            Block block = new Block(row.getString(0), row.getLong(1));
            block.lines = row.getLong(2);
            block.rows = row.getLong(3);
            block.idsGiven = row.getBoolean(4);
            block.severalOutputs = row.getBoolean(5);
            block.logprobs = row.getBoolean(6);
            block.choices = row.getBoolean(7);
            block.promptLogprobs = row.getBoolean(8);
            block.tools = row.getBoolean(9);
            block.fitting.addAll(row.getList(10));
            block.unfitting.addAll(row.getList(11));
            block.askable = row.getBoolean(12);
            List<String> codes = row.getList(13);
            for (int i = 0; i < codes.size(); i++) {
                String message = row.<String>getList(14).get(i);
                block.errors.put(
                        codes.get(i), new Fault(message, row.<Long>getList(15).get(i)));
            }
            return block;
        }
    }

    static List<Block> blocks(List<Row> rows) {
        List<Block> blocks = new ArrayList<>();
        rows.forEach(row -> blocks.add(Block.of(row)));
        return blocks;
    }

    @Override
    public Iterator<Row> call(Iterator<Row> rows) {
        Map<String, Block> blocks = new LinkedHashMap<>();
        while (rows.hasNext()) {
            Row row = rows.next();
            int fileIndex = row.fieldIndex(Input.FILE);
            int last = row.size() - 1;
            String file = row.isNullAt(fileIndex) ? "" : row.getString(fileIndex);
            long start = row.schema().fieldNames()[last].equals(Input.BLOCK) ? row.getLong(last) : 0;
            add(row, blocks.computeIfAbsent(RowNumbering.key(file, start), _ -> new Block(file, start)));
        }
        return blocks.values().stream().map(Block::row).iterator();
    }

    private void add(Row row, Block block) {
        block.lines++;
        if (RowNumbering.isBlank(row, line)) {
            return;
        }
        block.rows++;
        PromptRow prompt = reader.read(row);
        block.idsGiven |= prompt.idGiven();
        RequestError error = prompt.error();
        if (prompt.request() != null) {
            Map<String, JsonNode> parameters = prompt.request().parameters();
            parameters.forEach((name, value) -> block.severalOutputs |= asksForSeveral(name, value));
            block.logprobs |= asksForLogprobs(parameters.get("logprobs"));
            block.promptLogprobs |= asksForLogprobs(parameters.get("prompt_logprobs"));
            block.tools |= prompt.request().hasTools();
            block.choices = block.choices || StructuredOutputReader.asksForChoice(parameters);
            prompt.open().forEach((name, value) -> fit(name, value, block));
            // Once a row is known that can be answered, nobody asks whether there is one.
            error = block.askable ? null : prompt.request().fault(defaults);
            block.askable |= error == null;
        }
        if (error != null) {
            String message = error.message().startsWith(prompt.location())
                    ? error.message().substring(prompt.location().length())
                    : error.message();
            int position = Arrays.asList(row.schema().fieldNames()).indexOf(Input.POSITION);
            boolean known = position >= 0 && !row.isNullAt(position);
            block.errors.putIfAbsent(
                    error.code(),
                    new Fault(message.replaceFirst("^: ", ""), known ? row.getLong(position) : block.lines));
        }
    }

    private static void fit(String name, JsonNode value, Block block) {
        ParameterColumns.Fit fit = ParameterColumns.fit(name, value);
        boolean either = fit == ParameterColumns.Fit.EITHER;
        if (either || fit == ParameterColumns.Fit.PARAMETER) {
            block.fitting.add(name);
            block.severalOutputs |= asksForSeveral(name, value);
            block.tools |= name.equals(Columns.TOOLS);
        }
        if (either || fit == ParameterColumns.Fit.DATA) {
            block.unfitting.add(name);
        }
    }

    private static boolean asksForSeveral(String name, JsonNode value) {
        return ParametersReader.meant(name).equals("n") && value.asInt(1) > 1;
    }

    private static boolean asksForLogprobs(JsonNode logprobs) {
        return logprobs != null && (logprobs.isBoolean() ? logprobs.booleanValue() : logprobs.asInt(-1) >= 0);
    }
}
