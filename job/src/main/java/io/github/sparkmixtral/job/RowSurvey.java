package io.github.sparkmixtral.job;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
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
 * Counts the rows of (request, file, start of block), block by block, and sees what they ask for.
 *
 * @param byBlock whether the third column is the start of a block, rather than a position
 */
record RowSurvey(RequestReader reader, boolean byBlock) implements MapPartitionsFunction<Row, Row> {

    static final StructType SCHEMA = new StructType()
            .add("file", DataTypes.StringType, false)
            .add("start", DataTypes.LongType, false)
            .add("lines", DataTypes.LongType, false)
            .add("rows", DataTypes.LongType, false)
            .add("ids_given", DataTypes.BooleanType, false)
            .add("several_outputs", DataTypes.BooleanType, false)
            .add("logprobs", DataTypes.BooleanType, false);

    private static final JsonMapper JSON = new JsonMapper();

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
    public Iterator<Row> call(Iterator<Row> rows) throws JsonProcessingException {
        Map<String, Block> blocks = new LinkedHashMap<>();
        while (rows.hasNext()) {
            Row row = rows.next();
            String file = row.isNullAt(1) ? "" : row.getString(1);
            long start = byBlock ? row.getLong(2) : 0;
            String key = RowNumbering.key(file, start);
            Block before = blocks.getOrDefault(key, new Block(file, start, 0, 0, false, false, false));
            blocks.put(key, plus(before, row.isNullAt(0) ? null : (byte[]) row.get(0), row.getString(1)));
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

    private Block plus(Block block, byte[] request, String file) throws JsonProcessingException {
        if (RowNumbering.isBlank(request)) {
            return new Block(
                    block.file(),
                    block.start(),
                    block.lines() + 1,
                    block.rows(),
                    block.idsGiven(),
                    block.severalOutputs(),
                    block.logprobs());
        }
        PromptRow row = reader.read(request, file, 0L);
        JsonNode parameters = JSON.readTree(row.parameters() == null ? "{}" : row.parameters());
        return new Block(
                block.file(),
                block.start(),
                block.lines() + 1,
                block.rows() + 1,
                block.idsGiven() || row.idGiven(),
                block.severalOutputs() || parameters.path("n").asInt(1) > 1,
                block.logprobs() || asksForLogprobs(parameters.path("logprobs")));
    }

    private static boolean asksForLogprobs(JsonNode logprobs) {
        return logprobs.isBoolean() ? logprobs.booleanValue() : logprobs.asInt(-1) >= 0;
    }
}
