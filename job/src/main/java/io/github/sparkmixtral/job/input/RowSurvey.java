package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.service.ParametersReader;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Counts the rows of each block of a file, or of a partition of a table, and sees what they ask for.
 *
 * @param line column of the line; null where there are no lines
 */
record RowSurvey(RequestReader reader, String line) implements MapPartitionsFunction<Row, Row> {

    static final StructType SCHEMA = new StructType()
            .add("file", DataTypes.StringType, false)
            .add("start", DataTypes.LongType, false)
            .add("lines", DataTypes.LongType, false)
            .add("rows", DataTypes.LongType, false)
            .add("ids_given", DataTypes.BooleanType, false)
            .add("several_outputs", DataTypes.BooleanType, false)
            .add("logprobs", DataTypes.BooleanType, false);

    /**
     * What was found in one block of a file, or in one partition of a table.
     *
     * @param start offset of the block in its file, in bytes
     * @param lines rows and blank lines
     */
    record Block(
            String file,
            long start,
            long lines,
            long rows,
            boolean idsGiven,
            boolean severalOutputs,
            boolean logprobs) {}

    static List<Block> blocks(List<Row> rows) {
        List<Block> blocks = new ArrayList<>();
        for (Row row : rows) {
            blocks.add(new Block(
                    row.getString(0),
                    row.getLong(1),
                    row.getLong(2),
                    row.getLong(3),
                    row.getBoolean(4),
                    row.getBoolean(5),
                    row.getBoolean(6)));
        }
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
            String key = RowNumbering.key(file, start);
            Block before = blocks.getOrDefault(key, new Block(file, start, 0, 0, false, false, false));
            blocks.put(key, plus(before, row));
        }
        return blocks.values().stream()
                .map(block -> RowFactory.create(
                        block.file(),
                        block.start(),
                        block.lines(),
                        block.rows(),
                        block.idsGiven(),
                        block.severalOutputs(),
                        block.logprobs()))
                .iterator();
    }

    private Block plus(Block block, Row row) {
        if (RowNumbering.isBlank(row, line)) {
            return new Block(
                    block.file(),
                    block.start(),
                    block.lines() + 1,
                    block.rows(),
                    block.idsGiven(),
                    block.severalOutputs(),
                    block.logprobs());
        }
        PromptRow prompt = reader.read(row);
        Map<String, JsonNode> parameters =
                prompt.request() == null ? Map.of() : prompt.request().parameters();
        return new Block(
                block.file(),
                block.start(),
                block.lines() + 1,
                block.rows() + 1,
                block.idsGiven() || prompt.idGiven(),
                block.severalOutputs()
                        || parameters.entrySet().stream()
                                .anyMatch(field ->
                                        ParametersReader.meant(field.getKey()).equals("n")
                                                && field.getValue().asInt(1) > 1),
                block.logprobs() || asksForLogprobs(parameters.get("logprobs")));
    }

    private static boolean asksForLogprobs(JsonNode logprobs) {
        return logprobs != null && (logprobs.isBoolean() ? logprobs.booleanValue() : logprobs.asInt(-1) >= 0);
    }
}
