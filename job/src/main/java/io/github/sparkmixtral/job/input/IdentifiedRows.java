package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.service.RowRequest;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.expressions.GenericRowWithSchema;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Adds two columns to the rows of an input: {@link #ID}, their ids, given or made, and {@link #BEGINNING}, by which those lie
 * together whose prompts begin alike.
 */
public record IdentifiedRows(RequestReader reader, StructType schema) implements MapFunction<Row, Row> {
    public static final String ID = "__mixtral_row_id";
    public static final String BEGINNING = "__mixtral_beginning";

    /** Characters after which prompts differ enough. */
    private static final int MOST = 4096;

    public static Dataset<Row> of(Input input) {
        StructType schema = input.rows().schema().add(ID, DataTypes.StringType).add(BEGINNING, DataTypes.StringType);
        return input.rows().map(new IdentifiedRows(input.reader(), schema), Encoders.row(schema));
    }

    @Override
    public Row call(Row row) {
        Object[] values = new Object[row.size() + 2];
        for (int i = 0; i < row.size(); i++) {
            values[i] = row.get(i);
        }
        PromptRow asked = reader.read(row);
        values[row.size()] = asked.id();
        values[row.size() + 1] = asked.request() == null ? null : beginning(asked.request());
        return new GenericRowWithSchema(values, schema);
    }

    private static String beginning(RowRequest request) {
        JsonNode asked = value(request.messages()) != null ? value(request.messages()) : value(request.prompt());
        String text = asked == null ? "" : asked.isTextual() ? asked.textValue() : asked.toString();
        return text.substring(0, Math.min(MOST, text.length()));
    }

    private static JsonNode value(RowRequest.Field field) {
        return field == null ? null : field.value();
    }
}
