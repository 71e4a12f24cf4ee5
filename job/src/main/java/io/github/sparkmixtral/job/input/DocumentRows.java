package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.expressions.GenericRowWithSchema;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * The rows of an input as documents: {@link #ID}, {@link #TEXT}, {@link #METADATA}, a JSON object of the other columns, and {@link
 * #ERROR}, which says why there is no text.
 *
 * @param columns how many are the input's own
 * @param textColumn which of them is the text
 */
public record DocumentRows(RequestReader reader, int columns, String textColumn) implements MapFunction<Row, Row> {
    public static final String ID = "id";
    public static final String TEXT = "text";
    public static final String METADATA = "metadata";
    public static final String ERROR = "error";

    private static final StructType SCHEMA = new StructType()
            .add(ID, DataTypes.StringType)
            .add(TEXT, DataTypes.StringType)
            .add(METADATA, DataTypes.StringType)
            .add(ERROR, DataTypes.StringType);

    /** @param input read with {@code textColumn} as the column of its prompts */
    public static Dataset<Row> of(Input input, String textColumn) {
        return input.rows().map(new DocumentRows(input.reader(), input.columns(), textColumn), Encoders.row(SCHEMA));
    }

    @Override
    public Row call(Row row) {
        PromptRow document = reader.read(row);
        if (document.error() != null) {
            return made(document.id(), null, null, document.error().message());
        }
        JsonNode text = document.request().prompt().value();
        return text == null || !text.isTextual() || text.textValue().isBlank()
                ? made(document.id(), null, null, fault(document, text))
                : made(document.id(), text.textValue(), metadata(row), null);
    }

    /** With its schema: Spark may hand it to the next function as it is. */
    private static Row made(String id, String text, String metadata, String error) {
        return new GenericRowWithSchema(new Object[] {id, text, metadata, error}, SCHEMA);
    }

    private String fault(PromptRow document, JsonNode text) {
        String place = document.location().isEmpty() ? document.id() : document.location();
        String what = text == null || text.isNull() ? "missing" : text.isTextual() ? "empty" : "no text";
        return place + ": " + textColumn + " is " + what;
    }

    private String metadata(Row row) {
        CellValues values = new CellValues(reader.zone());
        ObjectNode metadata = JsonLine.JSON.createObjectNode();
        for (int i = 0; i < columns; i++) {
            String name = row.schema().fieldNames()[i];
            JsonNode value = name.equals(textColumn) ? null : values.of(row.get(i));
            if (value != null) {
                metadata.set(name, value);
            }
        }
        return metadata.toString();
    }
}
