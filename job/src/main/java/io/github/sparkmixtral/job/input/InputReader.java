package io.github.sparkmixtral.job.input;

import static io.github.sparkmixtral.job.options.OutputColumns.named;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.from_json;
import static org.apache.spark.sql.functions.is_valid_utf8;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.max;
import static org.apache.spark.sql.functions.min;
import static org.apache.spark.sql.functions.not;
import static org.apache.spark.sql.functions.when;

import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.fault.RootCause;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.OutputColumns;
import io.github.sparkmixtral.job.options.Uris;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedSet;
import java.util.TreeMap;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.DataFrameReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.CalendarIntervalType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.NullType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.SerializableConfiguration;

/** Reads the input of every format as one kind of table, checks its columns and ids, and looks once over its rows. */
public final class InputReader {
    /** The column of a line, or of what stands for one, before columns are made of it. */
    static final String VALUE = "value";

    /** Tasks that look at beginnings of files. */
    private static final int MOST_PROBES = 1000;

    private final SparkSession spark;
    private final JobOptions options;
    private final InputFormat format;
    private final InputPaths paths;

    /**
     * Finds the input and its format.
     *
     * @throws JobException with exit code 3 where there is none, 2 where its format cannot be guessed
     */
    public InputReader(SparkSession spark, JobOptions options) {
        this.spark = spark;
        this.options = options;
        boolean table = options.inputFormat().equals(Optional.of(InputFormat.TABLE));
        if (table && options.input().size() != 1) {
            throw JobException.usage(
                    "--input must name one table, not " + options.input().size());
        }
        this.paths = table
                ? new InputPaths(List.of(), "")
                : InputPaths.resolve(options.input(), spark.sessionState().newHadoopConf());
        this.format = options.inputFormat().orElseGet(paths::format);
    }

    /**
     * Reads the input.
     *
     * @throws JobException with exit code 3 and one sentence where it is no table of prompts
     */
    public Input read() {
        try {
            if (format != InputFormat.TABLE && paths.bytes() == 0) {
                throw noRows();
            }
            return switch (format) {
                case JSONL -> jsonLines();
                case TEXT -> text();
                case CSV -> numbered(csv(), null);
                case PARQUET -> parquet();
                case TABLE -> table();
            };
        } catch (JobException e) {
            throw e;
        } catch (Exception e) {
            throw new JobException(ExitCode.INPUT_INVALID, "the input cannot be read: " + RootCause.sentence(e), e);
        }
    }

    public InputFormat format() {
        return format;
    }

    /** The files of the input; none for a table. */
    public List<FileStatus> files() {
        return paths.files();
    }

    private String[] names() {
        return options.input().toArray(String[]::new);
    }

    private DataFrameReader reader() {
        return spark.read().option("recursiveFileLookup", true);
    }

    private JobException noRows() {
        return JobException.input("the input has no rows: " + String.join(", ", options.input()));
    }

    /** What the first bytes of the files say. */
    private List<FileProbe.Found> probe() {
        List<String> names =
                paths.files().stream().map(file -> file.getPath().toString()).toList();
        FileProbe probe = new FileProbe(
                format, new SerializableConfiguration(spark.sessionState().newHadoopConf()));
        List<FileProbe.Found> all = new JavaSparkContext(spark.sparkContext())
                .parallelize(new ArrayList<>(names), Math.min(names.size(), MOST_PROBES))
                .map(probe)
                .collect();
        for (FileProbe.Found found : all) {
            if (found.fault() != null) {
                throw JobException.input("the input " + name(found) + " " + found.fault());
            }
        }
        return all;
    }

    private Input jsonLines() {
        Dataset<Row> lines = lines(probe());
        StructType inferred = new JsonColumns(RequestReader.nestedFields(
                        options.generation().columns().messages()))
                .of(lines.select(VALUE));
        if (Arrays.stream(inferred.fieldNames()).allMatch(RequestReader.CORRUPT::equals) && inferred.size() > 0) {
            throw JobException.input("no line of the input is a JSON object: jsonl has one on each line");
        }
        if (inferred.isEmpty()) {
            throw noRows();
        }
        ColumnChoice choice = choice(inferred);
        List<String> kept = choice.kept(inferred);
        Dataset<Row> parsed = lines.select(
                from_json(col(VALUE).cast("string"), withoutMetadata(inferred), Map.of())
                        .as("row"),
                col(VALUE).as(Input.LINE),
                col(Input.FILE),
                col(Input.BLOCK));
        List<Column> columns = new ArrayList<>();
        for (String name : kept) {
            columns.add(col("row").getField(name).as(name));
        }
        columns.add(col(Input.LINE));
        columns.add(col(Input.FILE));
        columns.add(col(Input.BLOCK));
        return numbered(
                parsed.select(columns.toArray(Column[]::new)),
                kept.size(),
                Input.LINE,
                requestReader(choice, inferred));
    }

    /** The lines of the files, and the elements of those that do not keep to lines, as bytes. */
    private Dataset<Row> lines(List<FileProbe.Found> probed) {
        List<String> documents = new ArrayList<>();
        List<String> others = new ArrayList<>();
        probed.forEach(found -> (found.document() ? documents : others).add(found.file()));
        Dataset<Row> elements = documents.isEmpty()
                ? null
                : spark.createDataset(
                        new JavaSparkContext(spark.sparkContext())
                                .parallelize(documents, documents.size())
                                .flatMap(new JsonDocuments(new SerializableConfiguration(
                                        spark.sessionState().newHadoopConf())))
                                .rdd(),
                        Encoders.row(JsonDocuments.SCHEMA));
        if (others.isEmpty()) {
            return elements;
        }
        String[] names = documents.isEmpty()
                ? names()
                : others.stream()
                        .map(name -> name.replaceAll("[\\[\\]{}*?\\\\]", "\\\\$0"))
                        .toArray(String[]::new);
        Dataset<Row> lines = reader().text(names)
                .select(
                        col(VALUE).cast("binary").as(VALUE),
                        col("_metadata.file_path").as(Input.FILE),
                        col("_metadata.file_block_start").as(Input.BLOCK));
        return elements == null ? lines : lines.union(elements);
    }

    private static StructType withoutMetadata(StructType schema) {
        StructType plain = new StructType();
        for (StructField field : schema.fields()) {
            plain = plain.add(field.name(), field.dataType());
        }
        return plain;
    }

    private ColumnChoice choice(StructType schema) {
        options.expectedColumn().ifPresent(name -> ColumnChoice.requireComparable("--expected-column", name, schema));
        options.scoreBy().ifPresent(name -> ColumnChoice.requireComparable("--score-by", name, schema));
        return ColumnChoice.of(schema, format, options.generation().columns());
    }

    /** Columns that only some of the files have are null in the others. */
    private Input parquet() {
        for (FileStatus file : paths.files()) {
            if (file.getLen() == 0) {
                throw JobException.input(
                        file.getPath() + " is empty and no Parquet file: remove it, or write it again");
            }
        }
        return positioned(spark.read().option("mergeSchema", true).parquet(names()));
    }

    private Input text() {
        probe();
        Dataset<Row> lines = reader().text(names())
                .withColumn(RequestReader.CORRUPT, when(not(is_valid_utf8(col(VALUE))), lit("")))
                .withColumnRenamed(VALUE, "text");
        return numbered(lines, "text");
    }

    /** Cells are text: what is a number is decided where one is wanted, so that a prompt of digits stays as it is. */
    private Dataset<Row> csv() {
        List<FileProbe.Found> probed =
                probe().stream().filter(found -> found.csv() != null).toList();
        if (probed.isEmpty()) {
            throw noRows();
        }
        CsvDialect dialect = probed.getFirst().csv();
        StructType header = new StructType();
        for (String name : columnNames(dialect.header())) {
            header = header.add(name, DataTypes.StringType);
        }
        for (FileProbe.Found found : probed) {
            requireAlike(probed.getFirst(), found);
        }
        boolean backslash = probed.stream().anyMatch(found -> found.csv().backslash());
        return reader().option("header", true)
                .option("multiLine", true)
                .option("sep", String.valueOf(dialect.separator()))
                .option("quote", "\"")
                .option("escape", backslash ? "\\" : "\"")
                .option("enforceSchema", true)
                .option("columnPruning", false)
                .schema(header.add(RequestReader.CORRUPT, DataTypes.StringType))
                .option("columnNameOfCorruptRecord", RequestReader.CORRUPT)
                .csv(names());
    }

    /** A column without a name, such as pandas' index, is called as Spark calls it: {@code _c0}. */
    private static SequencedSet<String> columnNames(List<String> header) {
        SequencedSet<String> names = new LinkedHashSet<>();
        for (int i = 0; i < header.size(); i++) {
            String name = header.get(i).isEmpty() ? "_c" + i : header.get(i);
            if (!names.add(name)) {
                throw JobException.input("the CSV header has the column " + name + " twice: rename one");
            }
        }
        return names;
    }

    private void requireAlike(FileProbe.Found first, FileProbe.Found other) {
        if (first.csv().separator() != other.csv().separator()) {
            throw JobException.input("the cells of " + name(first) + " are separated by "
                    + separator(first.csv().separator()) + ", those of " + name(other) + " by "
                    + separator(other.csv().separator()) + ": all files need the same separator");
        }
        if (!first.csv().header().equals(other.csv().header())) {
            throw JobException.input("the header of " + name(other) + " is not that of " + name(first) + ": "
                    + String.join(", ", other.csv().header()) + " instead of "
                    + String.join(", ", first.csv().header()) + "; all files need the same columns in the same order");
        }
    }

    /** As rows' errors name a file. */
    private String name(FileProbe.Found found) {
        String uri = Uris.normalized(new Path(found.file()).toUri().toString());
        return uri.startsWith(paths.root()) ? uri.substring(paths.root().length()) : uri;
    }

    private static String separator(char separator) {
        return separator == '\t' ? "tabs" : "'" + separator + "'";
    }

    /** @param line the column that holds a line, which is blank or a row; null for none */
    private Input numbered(Dataset<Row> rows, String line) {
        ColumnChoice choice = choice(withoutCorrupt(rows.schema()));
        List<String> kept = choice.kept(withoutCorrupt(rows.schema()));
        RequestReader reader = requestReader(choice, rows.schema());
        Column block = col("_metadata.file_block_start").as(Input.BLOCK);
        Dataset<Row> located = withLocation(rows, kept, reader.needed(), col("_metadata.file_path"), block);
        return numbered(located, kept.size(), line, reader);
    }

    private Input positioned(Dataset<Row> rows) {
        Column position = col("_metadata.row_index").plus(1).as(Input.POSITION);
        return surveyed(rows, choice(rows.schema()), col("_metadata.file_path"), position);
    }

    private Input surveyed(Dataset<Row> rows, ColumnChoice choice, Column file, Column position) {
        List<String> kept = choice.kept(rows.schema());
        RequestReader reader = requestReader(choice, rows.schema());
        Dataset<Row> located = withLocation(rows, kept, reader.needed(), file, position);
        // No line of such a file is blank.
        Dataset<Row> numbered = located.withColumn(Input.ORDINAL, col(Input.POSITION));
        return checked(numbered, kept.size(), reader, survey(numbered, null, reader));
    }

    private Input table() {
        Dataset<Row> rows;
        try {
            rows = spark.table(options.input().getFirst());
        } catch (Exception e) {
            if (e instanceof AnalysisException) {
                throw JobException.input("no such table: " + options.input().getFirst());
            }
            throw e;
        }
        ColumnChoice choice = choice(rows.schema());
        if (choice.id() == null) {
            throw JobException.input(
                    "the table " + options.input().getFirst()
                            + " has no column custom_id or id, and its rows have no position to make ids of: name one with --id-column");
        }
        return surveyed(
                rows, choice, lit(null).cast("string"), lit(null).cast("bigint").as(Input.POSITION));
    }

    private static Dataset<Row> withLocation(
            Dataset<Row> rows, List<String> kept, String[] needed, Column file, Column position) {
        return withColumns(rows, kept, needed, file.as(Input.FILE), position);
    }

    /** The kept columns, those that only the request needs, and more. */
    static Dataset<Row> withColumns(Dataset<Row> rows, List<String> kept, String[] needed, Column... more) {
        StructType schema = rows.schema();
        List<Column> columns = new ArrayList<>();
        for (String name : kept) {
            boolean unwritable = schema.apply(name).dataType() instanceof NullType
                    || schema.apply(name).dataType() instanceof CalendarIntervalType;
            columns.add(unwritable ? named(name).cast("string").as(name) : named(name));
        }
        for (String name : needed) {
            if (!kept.contains(name)) {
                columns.add(named(name));
            }
        }
        columns.addAll(Arrays.asList(more));
        return rows.select(columns.toArray(Column[]::new));
    }

    private StructType withoutCorrupt(StructType schema) {
        if (format != InputFormat.CSV && format != InputFormat.TEXT) {
            return schema;
        }
        return new StructType(Arrays.stream(schema.fields())
                .filter(field -> !field.name().equals(RequestReader.CORRUPT))
                .toArray(StructField[]::new));
    }

    private RequestReader requestReader(ColumnChoice choice, StructType schema) {
        return choice.reader(
                schema, format, true, options.generation().defaults().task(), paths.root(), spark);
    }

    /** Turns offsets of blocks into positions of rows: counts the rows of each block, then adds up those before it. */
    private Input numbered(Dataset<Row> rows, int columns, String line, RequestReader reader) {
        List<RowSurvey.Block> blocks = survey(rows, line, reader);
        blocks.sort(Comparator.comparing(RowSurvey.Block::file).thenComparingLong(RowSurvey.Block::start));
        HashMap<String, RowNumbering.Start> starts = new HashMap<>();
        String file = "";
        RowNumbering.Start next = new RowNumbering.Start(1, 1);
        for (RowSurvey.Block block : blocks) {
            next = block.file().equals(file) ? next : new RowNumbering.Start(1, 1);
            file = block.file();
            starts.put(RowNumbering.key(file, block.start()), next);
            next = new RowNumbering.Start(next.position() + block.lines(), next.ordinal() + block.rows());
        }
        StructType columnsBefore = new StructType(
                Arrays.copyOf(rows.schema().fields(), rows.schema().size() - 1));
        StructType schema = columnsBefore
                .add(Input.POSITION, DataTypes.LongType, false)
                .add(Input.ORDINAL, DataTypes.LongType, false);
        Dataset<Row> numbered = rows.mapPartitions(new RowNumbering(line, schema, starts), Encoders.row(schema));
        return checked(numbered, columns, reader, blocks);
    }

    private static List<RowSurvey.Block> survey(Dataset<Row> rows, String line, RequestReader reader) {
        Dataset<Row> found =
                asked(rows, line, reader).mapPartitions(new RowSurvey(reader, line), Encoders.row(RowSurvey.SCHEMA));
        return RowSurvey.blocks(found.collectAsList());
    }

    /** Only what tells a row's request, its id and its place, so that nothing else is read for it. */
    private static Dataset<Row> asked(Dataset<Row> rows, String line, RequestReader reader) {
        List<String> present = Arrays.asList(rows.columns());
        SequencedSet<String> wanted = new LinkedHashSet<>();
        if (present.contains(Input.LINE)) {
            wanted.add(Input.LINE);
        } else {
            wanted.addAll(Arrays.asList(reader.needed()));
        }
        if (line != null) {
            wanted.add(line);
        }
        wanted.add(Input.FILE);
        wanted.add(present.contains(Input.BLOCK) ? Input.BLOCK : Input.POSITION);
        return rows.select(wanted.stream().map(OutputColumns::named).toArray(Column[]::new));
    }

    private Input checked(Dataset<Row> rows, int columns, RequestReader reader, List<RowSurvey.Block> blocks) {
        long count = blocks.stream().mapToLong(RowSurvey.Block::rows).sum();
        if (count == 0) {
            throw noRows();
        }
        if (blocks.stream().anyMatch(RowSurvey.Block::idsGiven)) {
            requireUniqueIds(rows, reader);
        }
        Input.Survey survey = new Input.Survey(
                count,
                blocks.stream().anyMatch(RowSurvey.Block::severalOutputs),
                blocks.stream().anyMatch(RowSurvey.Block::logprobs));
        Map<String, Long> files = new TreeMap<>();
        blocks.forEach(block -> files.merge(block.file(), block.rows(), Long::sum));
        files.remove("");
        return new Input(
                rows,
                columns,
                reader,
                files.entrySet().stream()
                        .map(entry -> new FileRows(entry.getKey(), entry.getValue()))
                        .toList(),
                survey);
    }

    private static void requireUniqueIds(Dataset<Row> rows, RequestReader reader) {
        Dataset<Row> ids = asked(rows, null, reader).mapPartitions(new RowIds(reader), Encoders.row(RowIds.SCHEMA));
        List<Row> duplicate = ids.groupBy("id")
                .agg(
                        count(lit(1)).as("rows"),
                        min("location").as("first"),
                        max("location").as("last"))
                .filter(col("rows").gt(1))
                .limit(1)
                .collectAsList();
        if (!duplicate.isEmpty()) {
            Row row = duplicate.getFirst();
            String where =
                    row.getString(2).isEmpty() ? "" : ", among them " + row.getString(2) + " and " + row.getString(3);
            throw JobException.input("the " + reader.idColumn() + " " + row.getString(0) + " is on " + row.getLong(1)
                    + " rows" + where + ": ids must be unique");
        }
    }
}
