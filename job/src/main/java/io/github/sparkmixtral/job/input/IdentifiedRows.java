package io.github.sparkmixtral.job.input;

import java.util.Iterator;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.expressions.GenericRowWithSchema;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Adds the column {@link #ID} to the rows of an input: their ids, given or made. */
public record IdentifiedRows(RequestReader reader, StructType schema) implements MapPartitionsFunction<Row, Row> {
    public static final String ID = "__mixtral_row_id";

    public static Dataset<Row> of(Input input) {
        StructType schema = input.rows().schema().add(ID, DataTypes.StringType);
        return input.rows().mapPartitions(new IdentifiedRows(input.reader(), schema), Encoders.row(schema));
    }

    @Override
    public Iterator<Row> call(Iterator<Row> rows) {
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return rows.hasNext();
            }

            @Override
            public Row next() {
                Row row = rows.next();
                Object[] values = new Object[row.size() + 1];
                for (int i = 0; i < row.size(); i++) {
                    values[i] = row.get(i);
                }
                values[row.size()] = reader.read(row).id();
                return new GenericRowWithSchema(values, schema);
            }
        };
    }
}
