package io.github.sparkmixtral.job.retrieval;

import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.expressions.GenericRowWithSchema;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * A piece of a document on its way into an index.
 *
 * @param id the document's with the piece's number; null only for a table's row that has none, and so an error
 * @param document id of the document
 * @param number in the document, from 1; 0 for a document without a text
 * @param metadata the document's other columns as a JSON object
 * @param error why the document has no text; null if it has one
 */
record Chunk(String id, String document, int number, String text, String metadata, String error) {
    static final String ID = "id";
    static final String TEXT = "text";
    static final StructType SCHEMA = new StructType()
            .add(ID, DataTypes.StringType)
            .add("document", DataTypes.StringType)
            .add("number", DataTypes.IntegerType, false)
            .add(TEXT, DataTypes.StringType, false)
            .add("metadata", DataTypes.StringType, false)
            .add("error", DataTypes.StringType);

    Row row() {
        // With its schema: Spark may hand it to the next function as it is.
        return new GenericRowWithSchema(new Object[] {id, document, number, text, metadata, error}, SCHEMA);
    }

    static Chunk of(Row row) {
        return new Chunk(
                row.getAs(ID),
                row.getAs("document"),
                row.getAs("number"),
                row.getAs(TEXT),
                row.getAs("metadata"),
                row.getAs("error"));
    }
}
