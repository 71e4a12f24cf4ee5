package io.github.sparkmixtral.job.input;

import java.util.Iterator;
import java.util.stream.StreamSupport;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** The id and location of each row that has an id. */
record RowIds(RequestReader reader) implements MapPartitionsFunction<Row, Row> {

    static final StructType SCHEMA =
            new StructType().add("id", DataTypes.StringType, false).add("location", DataTypes.StringType, false);

    @Override
    public Iterator<Row> call(Iterator<Row> rows) {
        Iterable<Row> all = () -> rows;
        return StreamSupport.stream(all.spliterator(), false)
                .map(reader::read)
                .filter(row -> row.id() != null)
                .map(row -> RowFactory.create(row.id(), row.location()))
                .iterator();
    }
}
