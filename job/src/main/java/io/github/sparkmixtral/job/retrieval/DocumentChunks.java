package io.github.sparkmixtral.job.retrieval;

import io.github.sparkmixtral.job.input.DocumentRows;
import io.github.sparkmixtral.job.options.ChunkUnit;
import io.github.sparkmixtral.job.options.Chunking;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.stream.StreamSupport;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.util.SerializableConfiguration;
import org.slf4j.LoggerFactory;

/**
 * Cuts documents into chunks. A document without a text becomes a chunk with an error, so that it is counted.
 *
 * @param engine of the model whose tokens are counted; null for characters
 */
record DocumentChunks(Chunking chunking, EngineIdentity engine, SerializableConfiguration configuration)
        implements MapPartitionsFunction<Row, Row> {

    /** @param documents of {@link DocumentRows} */
    static Dataset<Row> of(
            Dataset<Row> documents, Chunking chunking, EngineIdentity engine, Configuration configuration) {
        DocumentChunks chunks = new DocumentChunks(
                chunking,
                chunking.unit() == ChunkUnit.TOKENS ? engine : null,
                new SerializableConfiguration(configuration));
        return documents.mapPartitions(chunks, Encoders.row(Chunk.SCHEMA));
    }

    @Override
    public Iterator<Row> call(Iterator<Row> documents) {
        TextChunker chunker = chunker();
        return StreamSupport.stream(Spliterators.spliteratorUnknownSize(documents, Spliterator.ORDERED), false)
                .flatMap(document -> cut(document, chunker).stream())
                .iterator();
    }

    private TextChunker chunker() {
        if (engine == null) {
            return TextChunker.ofCharacters(chunking.size(), chunking.overlap());
        }
        Tokenizer tokenizer = engine.models(configuration.value(), LoggerFactory.getLogger(DocumentChunks.class)::info)
                .describe(engine.model(), engine.quantization())
                .tokenizer();
        return new TextChunker(chunking.size(), chunking.overlap(), text -> tokenizer.encode(text).length);
    }

    private static List<Row> cut(Row document, TextChunker chunker) {
        String id = document.getAs(DocumentRows.ID);
        String error = document.getAs(DocumentRows.ERROR);
        if (error != null) {
            return List.of(new Chunk(id, id, 0, "", "", error).row());
        }
        List<Row> chunks = new ArrayList<>();
        for (String text : chunker.chunks(document.getAs(DocumentRows.TEXT))) {
            int number = chunks.size() + 1;
            String metadata = document.getAs(DocumentRows.METADATA);
            chunks.add(new Chunk(id + "#" + number, id, number, text, metadata, null).row());
        }
        return chunks;
    }
}
