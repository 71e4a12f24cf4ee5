package io.github.sparkmixtral.job.retrieval;

import io.github.sparkmixtral.job.input.DocumentRows;
import io.github.sparkmixtral.job.input.Input;
import io.github.sparkmixtral.job.options.IndexOptions;
import io.github.sparkmixtral.job.options.TextLanguage;
import io.github.sparkmixtral.job.retrieval.IndexDescriptor.Part;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.apache.spark.util.SerializableConfiguration;

/**
 * Writes the parts of an index, one for each partition of its chunks.
 *
 * @param location of the index
 */
record IndexParts(String location, TextLanguage language, SerializableConfiguration configuration)
        implements FlatMapFunction<Iterator<Row>, IndexParts.Written> {
    /**
     * What a task has written.
     *
     * @param part of no chunks where the partition has none; there is no such file then
     * @param documents that begin in this part
     * @param skipped documents without a text, and why one of them has none
     * @param failed chunks without an embedding, and why one of them has none
     */
    record Written(Part part, long documents, long skipped, String skip, long failed, String failure)
            implements java.io.Serializable {}

    /** The chunks of documents. */
    static Dataset<Row> chunks(Input input, IndexOptions options, Configuration configuration) {
        Dataset<Row> documents =
                DocumentRows.of(input, options.source().columns().prompt());
        return DocumentChunks.of(documents, options.chunking(), options.engine().orElse(null), configuration);
    }

    /** Chunks in {@code count} partitions of about one size, which depend on the chunks alone. */
    static Dataset<Row> spread(Dataset<Row> chunks, int count) {
        return chunks.repartition(count, functions.col(Chunk.ID)).sortWithinPartitions(Chunk.ID);
    }

    /** Writes them. */
    static List<Written> write(
            Dataset<Row> chunks, String location, TextLanguage language, Configuration configuration) {
        return chunks.javaRDD()
                .mapPartitions(new IndexParts(location, language, new SerializableConfiguration(configuration)))
                .collect();
    }

    @Override
    public Iterator<Written> call(Iterator<Row> rows) throws IOException {
        String disk = SparkEnv.get().blockManager().diskBlockManager().localDirsString()[0];
        Path folder = Path.of(disk, "spark-mixtral-index-" + UUID.randomUUID());
        Tally tally = new Tally();
        try (PartWriter writer = new PartWriter(folder, language)) {
            while (rows.hasNext()) {
                tally.add(rows.next(), writer);
            }
            if (writer.chunks() == 0 || tally.failed > 0) {
                return List.of(tally.written(new Part("", 0, 0))).iterator();
            }
            Path archive = writer.pack();
            // No attempt of a task overwrites another one's part: which of them counts is the descriptor's to say.
            String name =
                    String.format(Locale.ROOT, "part-%05d-%s.tar", TaskContext.getPartitionId(), UUID.randomUUID());
            new IndexDirectory(location, configuration.value()).publish(archive, name);
            return List.of(tally.written(new Part(name, writer.chunks(), Files.size(archive))))
                    .iterator();
        }
    }

    private static final class Tally {
        private long documents;
        private long skipped;
        private String skip;
        private long failed;
        private String failure;

        void add(Row row, PartWriter writer) throws IOException {
            Chunk chunk = Chunk.of(row);
            if (chunk.error() != null) {
                skipped++;
                skip = Objects.requireNonNullElse(skip, chunk.error());
                return;
            }
            documents += chunk.number() == 1 ? 1 : 0;
            if (row.schema().getFieldIndex(IndexBuild.VECTOR).isEmpty()) {
                writer.add(chunk, null);
                return;
            }
            float[] vector = row.isNullAt(row.fieldIndex(IndexBuild.VECTOR))
                    ? null
                    : floats(row.get(row.fieldIndex(IndexBuild.VECTOR)));
            float[] unit = vector == null ? null : IndexFields.normalized(vector);
            if (unit != null) {
                writer.add(chunk, unit);
                return;
            }
            failed++;
            String reason = vector == null ? row.getAs(IndexBuild.VECTOR_ERROR) : "its embedding has no direction";
            failure = Objects.requireNonNullElse(failure, chunk.id() + ": " + reason);
        }

        /** As it was made, or as Spark has made it anew. */
        private static float[] floats(Object values) {
            if (values instanceof float[] made) {
                return made;
            }
            scala.collection.Seq<?> sequence = (scala.collection.Seq<?>) values;
            float[] floats = new float[sequence.length()];
            for (int i = 0; i < floats.length; i++) {
                floats[i] = (Float) sequence.apply(i);
            }
            return floats;
        }

        Written written(Part part) {
            return new Written(part, documents, skipped, skip, failed, failure);
        }
    }

    /** The parts that there are. */
    static List<Part> parts(List<Written> written) {
        return new ArrayList<>(written.stream()
                .map(Written::part)
                .filter(part -> part.chunks() > 0)
                .toList());
    }
}
