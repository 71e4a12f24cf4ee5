package io.github.sparkmixtral.job.inference;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.engine.Pooling;
import io.github.sparkmixtral.job.input.PromptRow;
import io.github.sparkmixtral.job.model.ModelCache;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.job.retrieval.IndexBuild;
import java.io.Serializable;
import java.util.Iterator;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.expressions.GenericRowWithSchema;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.SerializableConfiguration;

/**
 * Adds their embeddings to the chunks of a partition; to one that has none, why.
 *
 * @param schema of the rows that come out, which carry it: Spark may hand them to the next function as they are
 */
public record ChunkEmbeddings(GenerationOptions options, SerializableConfiguration configuration, StructType schema)
        implements MapPartitionsFunction<Row, Row>, AnsweredRows.Questions<Row, Row>, Serializable {

    /** The chunks with {@link IndexBuild#VECTOR} and {@link IndexBuild#VECTOR_ERROR}; lazy. */
    public static Dataset<Row> of(
            Dataset<Row> chunks, EngineIdentity engine, Pooling pooling, Configuration configuration) {
        StructType schema = chunks.schema()
                .add(IndexBuild.VECTOR, DataTypes.createArrayType(DataTypes.FloatType, false))
                .add(IndexBuild.VECTOR_ERROR, DataTypes.StringType);
        ChunkEmbeddings embeddings = new ChunkEmbeddings(
                GenerationOptions.embeddings(engine, pooling),
                new SerializableConfiguration(ModelCache.sent(engine.model(), configuration)),
                schema);
        return chunks.mapPartitions(embeddings, Encoders.row(schema));
    }

    @Override
    public Iterator<Row> call(Iterator<Row> chunks) throws InterruptedException {
        // Without chunks no engine has to be loaded.
        return chunks.hasNext()
                ? new AnsweredRows<>(options, configuration.value(), RunLimits.NONE, this, chunks)
                : chunks;
    }

    @Override
    public PromptRow ask(Row chunk) {
        String text = chunk.getAs(IndexBuild.TEXT);
        return new PromptRow(
                null,
                false,
                "",
                text.isEmpty() ? null : QuestionEmbeddings.embedding("the chunk", text),
                null,
                Map.of());
    }

    @Override
    public Row answered(Row chunk, PromptRow asked, Answers answers, int index, RequestError incomplete) {
        return with(chunk, answers.embedding(index), null);
    }

    @Override
    public Row failed(Row chunk, PromptRow asked, RequestError error) {
        return with(chunk, null, error == null ? null : error.message());
    }

    private Row with(Row chunk, float[] vector, String error) {
        Object[] values = new Object[chunk.size() + 2];
        for (int i = 0; i < chunk.size(); i++) {
            values[i] = chunk.get(i);
        }
        values[chunk.size()] = vector;
        values[chunk.size() + 1] = error;
        return new GenericRowWithSchema(values, schema);
    }
}
