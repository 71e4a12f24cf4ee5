package io.github.sparkmixtral.job.retrieval;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.input.Input;
import io.github.sparkmixtral.job.input.InputReader;
import io.github.sparkmixtral.job.options.IndexOptions;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.job.options.OutputMode;
import io.github.sparkmixtral.job.output.Fingerprint;
import io.github.sparkmixtral.job.retrieval.IndexDescriptor.Vectors;
import io.github.sparkmixtral.job.retrieval.IndexParts.Written;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** Makes an index of documents, unless it is there already. */
public final class IndexBuild {
    /** The text of a chunk; empty for a document that has none. */
    public static final String TEXT = Chunk.TEXT;

    /** The embedding of a chunk, an array of floats; where there is no such column, the index has no vectors. */
    public static final String VECTOR = "vector";

    /** Why a chunk has no embedding; null where it has one. */
    public static final String VECTOR_ERROR = "vector_error";

    /** Bytes of documents, and documents of a table, for which a part is made. */
    private static final long PART_BYTES = 64L << 20;

    private static final long PART_DOCUMENTS = 100_000;

    /** Fewer are not worth a part of their own, even where embeddings keep a core busy. */
    private static final long LEAST_DOCUMENTS = 64;

    private final SparkSession spark;
    private final IndexOptions options;
    private final Configuration configuration;
    private final IndexDirectory directory;
    private final InputReader reader;
    private final Vectors vectors;
    private final Fingerprint fingerprint;

    /**
     * Finds the documents.
     *
     * @param vectors where they come from; null for none
     * @throws JobException where there are none, or the index may not be touched
     */
    public IndexBuild(SparkSession spark, IndexOptions options, Vectors vectors, Configuration configuration)
            throws IOException {
        this.spark = spark;
        this.options = options;
        this.vectors = vectors;
        this.configuration = configuration;
        this.directory = new IndexDirectory(options.location(), configuration);
        this.reader = new InputReader(spark, options.source());
        directory.requireOwn();
        directory.requireOutside(reader.files());
        this.fingerprint = Fingerprint.ofDocuments(
                settings(), vectors == null ? null : vectors.model(), options.source(), reader.files(), configuration);
    }

    private Map<String, List<String>> settings() {
        Map<String, List<String>> settings = new TreeMap<>();
        settings.put("text-column", List.of(options.source().columns().prompt()));
        Optional.ofNullable(options.source().columns().id()).ifPresent(id -> settings.put("id-column", List.of(id)));
        settings.put("drop-columns", options.source().columns().dropped());
        settings.put("input-format", List.of(reader.format().text()));
        settings.put("chunk-unit", List.of(OptionValues.text(options.chunking().unit())));
        settings.put("chunk-size", List.of(Integer.toString(options.chunking().size())));
        settings.put(
                "chunk-overlap", List.of(Integer.toString(options.chunking().overlap())));
        settings.put("language", List.of(OptionValues.text(options.language())));
        if (vectors != null) {
            settings.put("quantization", List.of(vectors.quantization()));
            settings.put("pooling", List.of(vectors.pooling()));
        }
        settings.values().removeIf(List::isEmpty);
        return settings;
    }

    /**
     * The index that is there, if it is the one that would be made.
     *
     * @throws JobException with exit code 6 where it is another one, and may not be replaced
     */
    public Optional<IndexDescriptor> done() throws IOException {
        Optional<IndexDescriptor> existing =
                options.mode() == OutputMode.OVERWRITE ? Optional.empty() : directory.existing();
        if (existing.isEmpty()) {
            return existing;
        }
        if (options.mode() == OutputMode.ERROR) {
            throw directory.exists("exists: give another directory, or replace it with --output-mode overwrite");
        }
        List<String> differences = new ArrayList<>(fingerprint.differencesFrom(
                Fingerprint.parse(existing.get().fingerprint()), reader.format(), reader.files(), configuration));
        if (differences.isEmpty()
                && !fingerprint.hasInputOf(Fingerprint.parse(existing.get().fingerprint()))) {
            differences.add(
                    reader.files().isEmpty()
                            ? "its documents are a table, which may have changed"
                            : "there are more documents now");
        }
        if (!differences.isEmpty()) {
            throw directory.exists("is another one than this would be: " + String.join("; ", differences)
                    + ". Give another directory, or replace it with --output-mode overwrite");
        }
        directory.requireParts(existing.get());
        return existing;
    }

    /** Reads the documents, and says how many there are. */
    public Input documents() {
        return reader.read();
    }

    /**
     * Makes the index.
     *
     * @param embedding adds the columns {@code vector} and {@code vector_error} to chunks, whose texts are in the column {@code text}
     * @return what it holds
     * @throws JobException with exit code 3 where it would hold nothing, or a chunk cannot be embedded
     */
    public IndexDescriptor run(Input documents, UnaryOperator<Dataset<Row>> embedding, Consumer<String> notes)
            throws IOException {
        Dataset<Row> chunks = IndexParts.chunks(documents, options, configuration);
        Dataset<Row> spread =
                IndexParts.spread(chunks, partitions(documents.survey().rows()));
        List<Written> written = IndexParts.write(
                vectors == null ? spread : embedding.apply(spread), directory.uri(), options.language(), configuration);
        requireEmbeddings(written);
        long skipped = written.stream().mapToLong(Written::skipped).sum();
        String skip = first(written.stream().map(Written::skip).toList());
        IndexDescriptor descriptor = new IndexDescriptor(
                fingerprint.json().toString(),
                vectors,
                options.language(),
                written.stream().mapToLong(Written::documents).sum(),
                skipped,
                IndexParts.parts(written));
        if (descriptor.chunks() == 0) {
            throw JobException.input("no document has a text to index; one of them: " + skip);
        }
        if (skipped > 0) {
            notes.accept(skipped + " documents are left out, because they have no text; one of them: " + skip);
        }
        directory.complete(descriptor);
        return descriptor;
    }

    /** Where the index is, for messages. */
    public String shown() {
        return directory.shown();
    }

    private static void requireEmbeddings(List<Written> written) {
        long failed = written.stream().mapToLong(Written::failed).sum();
        if (failed > 0) {
            throw JobException.input(failed + " chunks cannot be embedded; one of them: "
                    + first(written.stream().map(Written::failure).toList())
                    + ". A lower --chunk-size makes shorter chunks");
        }
    }

    private static String first(List<String> texts) {
        return texts.stream().filter(Objects::nonNull).findFirst().orElse(null);
    }

    private int partitions(long documents) {
        if (options.partitions() > 0) {
            return options.partitions();
        }
        long bytes = reader.files().stream().mapToLong(FileStatus::getLen).sum();
        long parts = Math.max(
                Math.ceilDiv(bytes, PART_BYTES),
                reader.files().isEmpty() ? Math.ceilDiv(documents, PART_DOCUMENTS) : 1);
        long busy = vectors == null
                ? 1
                : Math.min(spark.sparkContext().defaultParallelism(), Math.ceilDiv(documents, LEAST_DOCUMENTS));
        return (int) Math.max(parts, Math.max(busy, 1));
    }
}
