package io.github.sparkmixtral.job.output;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.pmod;
import static org.apache.spark.sql.functions.udf;
import static org.apache.spark.sql.functions.xxhash64;

import io.github.sparkmixtral.job.input.IdentifiedRows;
import io.github.sparkmixtral.job.input.Input;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.OutputFormat;
import io.github.sparkmixtral.job.options.OutputTarget;
import io.github.sparkmixtral.job.options.RowOrder;
import io.github.sparkmixtral.job.output.Chunk.Segment;
import io.github.sparkmixtral.job.output.ChunkCommitProtocol.Write;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.DataFrameWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF2;
import org.apache.spark.sql.types.DataTypes;

/**
 * The chunks that a run has to do, and their way into files. A session of the job's own is needed: Spark's commit protocol is a
 * setting of the session.
 */
public final class ChunkedOutput {
    private final SparkSession spark;
    private final JobOptions options;
    private final OutputDirectory directory;
    private final Configuration configuration;
    private final Fingerprint fingerprint;
    private final JobRecord record;

    private List<Chunk> chunks = List.of();

    /** From there on, chunks are there already and are answered once more. */
    private int firstAgain;

    private Dataset<Row> rows;
    private long rowsToAnswer;
    private long inputRows;

    /**
     * @param record of the runs before; null if this is the first
     */
    ChunkedOutput(
            SparkSession spark,
            JobOptions options,
            OutputDirectory directory,
            Configuration configuration,
            Fingerprint fingerprint,
            JobRecord record) {
        this.spark = spark;
        this.options = options;
        this.directory = directory;
        this.configuration = configuration;
        this.fingerprint = fingerprint;
        this.record = record;
    }

    /** Finds the rows that have no answer yet. */
    public void plan(Input input) throws IOException {
        requireSameColumns(input);
        inputRows = input.survey().rows();
        List<Chunk> known = record == null ? List.of() : record.chunks();
        Map<String, Long> published = directory.published();
        if (input.files().isEmpty() || options.order() == RowOrder.PREFIX) {
            planByIds(input, known);
        } else {
            planFiles(input, known, published);
        }
    }

    /** Rows that were appended must not change what a column is taken for, and with it the answers that are there. */
    private void requireSameColumns(Input input) {
        List<String> differences =
                record == null ? List.of() : record.fingerprint().columnsOtherThan(input.meanings());
        if (!differences.isEmpty()) {
            throw directory.otherJob(differences);
        }
        fingerprint.putColumns(input.meanings());
    }

    private void planFiles(Input input, List<Chunk> known, Map<String, Long> published) throws IOException {
        List<Segment> covered = new ArrayList<>();
        List<Chunk> again = new ArrayList<>();
        Set<String> retried = published.isEmpty() ? Set.of() : directory.chunksToRetry(spark, options);
        for (Chunk chunk : known) {
            Long done = published.get(chunk.name());
            if (done == null) {
                // Its rows are planned anew below, in a chunk of the same name if nothing else has changed.
                continue;
            }
            List<Segment> segments = chunk.firstRows(done);
            covered.addAll(segments);
            String file = done == Long.MAX_VALUE ? chunk.name() : chunk.name() + "-first" + done;
            if (retried.contains(file)) {
                again.add(new Chunk(file, segments));
            }
        }
        long total = input.survey().rows();
        List<Chunk> fresh = unfinished(known, published, input);
        for (Chunk chunk : fresh) {
            covered.addAll(chunk.segments());
        }
        List<Chunk> more = new ArrayList<>(fresh);
        more.addAll(ChunkPlan.of(input.files(), covered, chunkRows(total), known.size()));
        firstAgain = more.size();
        more.addAll(again);
        chunks = more;
        rowsToAnswer = chunks.stream().mapToLong(Chunk::rows).sum();
        ChunkPlan.Index index = ChunkPlan.Index.of(chunks);
        UDF2<String, Long, Integer> place = index::chunk;
        Column chunk = udf(place, DataTypes.IntegerType).apply(col(Input.FILE), col(Input.ORDINAL));
        rows = input.rows()
                .withColumn(OutputDirectory.CHUNK, chunk)
                .filter(col(OutputDirectory.CHUNK).geq(0))
                .repartitionById(Math.max(1, chunks.size()), col(OutputDirectory.CHUNK))
                .sortWithinPartitions(Input.FILE, Input.ORDINAL)
                .drop(OutputDirectory.CHUNK);
    }

    /** Chunks of the runs before that are to be done as they were planned; with all of their rows still there. */
    private static List<Chunk> unfinished(List<Chunk> known, Map<String, Long> published, Input input) {
        Map<String, Long> rows = new java.util.HashMap<>();
        input.files().forEach(file -> rows.put(file.file(), file.rows()));
        return known.stream()
                .filter(chunk -> !published.containsKey(chunk.name()))
                .filter(chunk -> chunk.segments().stream()
                        .allMatch(segment -> segment.last() <= rows.getOrDefault(segment.file(), 0L)))
                .filter(chunk -> !chunk.segments().isEmpty())
                .toList();
    }

    /** Where rows have no position, or do not lie in the order of the input: those are left whose ids have no answer. */
    private void planByIds(Input input, List<Chunk> known) throws IOException {
        Dataset<Row> all = IdentifiedRows.of(input);
        Dataset<Row> left = all;
        List<Chunk> again = new ArrayList<>();
        Dataset<Row> retried = null;
        if (!known.isEmpty() && directory.hasAnswers()) {
            Dataset<Row> answered =
                    Answered.in(spark, options, directory.location()).select(col(Answered.ID));
            left = all.join(answered, sameId(), "left_anti");
            for (String name : directory.chunksToRetry(spark, options)) {
                again.add(new Chunk(name, List.of()));
            }
            if (!again.isEmpty()) {
                retried = all.join(directory.rowsOf(again, spark, options), sameId())
                        .drop(Answered.ID);
            }
        }
        long remaining = known.isEmpty() ? input.survey().rows() : left.count();
        List<Chunk> more = new ArrayList<>();
        Dataset<Row> fresh = remaining == 0 ? null : spreadFresh(left, remaining, input, known.size(), more);
        rowsToAnswer = remaining;
        if (retried != null) {
            rowsToAnswer += retried.count();
            Dataset<Row> spread = retried.repartitionById(again.size(), col(OutputDirectory.CHUNK))
                    .sortWithinPartitions(IdentifiedRows.BEGINNING, IdentifiedRows.ID)
                    .drop(OutputDirectory.CHUNK, IdentifiedRows.ID, IdentifiedRows.BEGINNING);
            fresh = fresh == null ? spread : fresh.union(spread);
        }
        firstAgain = more.size();
        more.addAll(again);
        chunks = more;
        rows = fresh;
    }

    /** Rows without an id are all in one chunk, so they are answered all or not at all. */
    private static Column sameId() {
        return col(IdentifiedRows.ID).eqNullSafe(col(Answered.ID));
    }

    /**
     * A partition for each chunk.
     *
     * @param more gets the chunks
     */
    private Dataset<Row> spreadFresh(
            Dataset<Row> left, long remaining, Input input, int firstNumber, List<Chunk> more) {
        int count = (int) Math.ceilDiv(remaining, chunkRows(input.survey().rows()));
        Dataset<Row> spread;
        int partitions = count;
        if (options.order() == RowOrder.PREFIX) {
            spread = PrefixOrder.spread(left, count);
            // Fewer where many prompts begin alike; the rows are spread already, so that asking costs nothing.
            partitions = spread.javaRDD().getNumPartitions();
        } else {
            Column bucket =
                    pmod(xxhash64(col(IdentifiedRows.ID)), lit((long) count)).cast("int");
            spread = left.withColumn(OutputDirectory.CHUNK, bucket)
                    .repartitionById(count, col(OutputDirectory.CHUNK))
                    .sortWithinPartitions(IdentifiedRows.ID)
                    .drop(OutputDirectory.CHUNK);
        }
        int generation = record == null ? 0 : record.attempts();
        for (int i = 0; i < partitions; i++) {
            more.add(Chunk.ofBucket(firstNumber + i, generation));
        }
        return spread.drop(IdentifiedRows.ID, IdentifiedRows.BEGINNING);
    }

    private long chunkRows(long total) {
        OutputTarget target = options.output();
        if (target.chunkRows() > 0) {
            return target.chunkRows();
        }
        return options.partitions() > 0
                ? Math.ceilDiv(total, options.partitions())
                : ChunkPlan.chunkRows(
                        total, options.generation().defaults().parameters().maxTokens());
    }

    /** Rows that this run has to answer. */
    public long rowsToAnswer() {
        return rowsToAnswer;
    }

    /** How many chunks they are in. */
    public int chunks() {
        return chunks.size();
    }

    /** Those rows, a partition for each chunk, in the order of the input. */
    public Dataset<Row> rows() {
        return rows;
    }

    /** Says what is to come, before the first chunk is. */
    public void begin() throws IOException {
        JobRecord begun = record == null
                ? new JobRecord(fingerprint, 1, inputRows, chunks)
                : record.with(fingerprint, inputRows, newOnes());
        if (record == null) {
            directory.create(begun.json());
        } else {
            directory.replace(begun.json());
        }
    }

    private List<Chunk> newOnes() {
        Set<String> known = new java.util.HashSet<>(
                record.chunks().stream().map(Chunk::name).toList());
        return chunks.stream()
                .filter(chunk -> !known.contains(chunk.name()) && !chunk.name().contains("-first"))
                .toList();
    }

    /** Answers the rows and publishes chunk after chunk. */
    public void write(Dataset<Row> answers) throws IOException {
        OutputTarget target = options.output();
        String path = directory.qualified();
        boolean jsonl = target.format() == OutputFormat.JSONL;
        ChunkCommitProtocol.prepare(
                path,
                new Write(
                        chunks.stream().map(Chunk::name).toArray(String[]::new),
                        firstAgain,
                        target.format().extension(),
                        jsonl));
        spark.conf().set("spark.sql.sources.commitProtocolClass", ChunkCommitProtocol.class.getName());
        spark.conf().set("spark.sql.files.maxRecordsPerFile", 0L);
        // Partitions that are put together stay the chunks that they are.
        spark.conf().set("spark.sql.unionOutputPartitioning", false);
        try {
            Dataset<Row> written = jsonl ? BatchLines.of(answers, options) : answers;
            DataFrameWriter<Row> writer = written.write().mode(SaveMode.Append);
            if (jsonl) {
                writer.partitionBy(ChunkNames.ERRORS)
                        .option("compression", "none")
                        .text(path);
            } else {
                writer.partitionBy(target.partitionBy().toArray(String[]::new)).parquet(path);
            }
        } finally {
            spark.conf().unset("spark.sql.sources.commitProtocolClass");
            ChunkCommitProtocol.forget(path);
        }
    }
}
