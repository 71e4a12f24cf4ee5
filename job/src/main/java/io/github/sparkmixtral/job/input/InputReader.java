package io.github.sparkmixtral.job.input;

import static io.github.sparkmixtral.job.options.OutputColumns.named;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.from_json;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.max;
import static org.apache.spark.sql.functions.min;
import static org.apache.spark.sql.functions.udf;

import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.fault.RootCause;
import io.github.sparkmixtral.job.options.Evaluation;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.InputSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.hadoop.fs.FileStatus;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.CalendarIntervalType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.NullType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/** Reads the input of every format as one kind of table, checks its columns and ids, and looks once over its rows. */
public final class InputReader {
    /** So many rows that all have errors of one kind are a mistake in the command, and no answers worth a model. */
    private static final int MANY = 10;

    private final SparkSession spark;
    private final InputSource source;
    private final InputFormat format;
    private final InputPaths paths;

    /**
     * Finds the input and its format.
     *
     * @throws JobException with exit code 3 where there is none, 2 where its format cannot be guessed
     */
    public InputReader(SparkSession spark, InputSource source) {
        this.spark = spark;
        this.source = source;
        boolean table = source.format().equals(Optional.of(InputFormat.TABLE));
        if (table && source.paths().size() != 1) {
            throw JobException.usage(
                    "--input must name one table, not " + source.paths().size());
        }
        this.paths = table
                ? new InputPaths(List.of(), "")
                : InputPaths.resolve(source.paths(), spark.sessionState().newHadoopConf());
        this.format = source.format().orElseGet(paths::format);
    }

    /**
     * Reads the input.
     *
     * @throws JobException with exit code 3 and one sentence where it is no table of prompts
     */
    public Input read() {
        try {
            if (format != InputFormat.TABLE && paths.bytes() == 0) {
                throw InputFiles.noRows(source.paths());
            }
            InputFiles inputFiles = new InputFiles(spark, paths, source.paths(), format);
            return switch (format) {
                case JSONL -> jsonLines(inputFiles.jsonLines());
                case TEXT -> numbered(inputFiles.text(), "text");
                case CSV -> numbered(inputFiles.csv(), null);
                case PARQUET -> positioned(inputFiles.parquet());
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

    private Input jsonLines(Dataset<Row> lines) {
        StructType inferred = new JsonColumns(
                        RequestReader.nestedFields(source.columns().messages()))
                .of(lines.select(InputFiles.VALUE));
        if (Arrays.stream(inferred.fieldNames()).allMatch(RequestReader.CORRUPT::equals) && inferred.size() > 0) {
            throw JobException.input("no line of the input is a JSON object: jsonl has one on each line");
        }
        if (inferred.isEmpty()) {
            throw InputFiles.noRows(source.paths());
        }
        ColumnChoice choice = choice(inferred);
        Column line = col(InputFiles.VALUE).as(Input.LINE);
        Column file = col(Input.FILE);
        Column block = col(Input.BLOCK);
        Surveyed surveyed =
                survey(lines.select(line, file, block), Input.LINE, choice, requestReader(choice, inferred));
        SequencedMap<String, String> kept = kept(choice, inferred, surveyed.reader());
        String[] texts = Arrays.stream(inferred.fields())
                .filter(column -> JsonColumns.isMadeText(column) && kept.containsKey(column.name()))
                .map(StructField::name)
                .toArray(String[]::new);
        Column made = udf(new JsonTexts(texts), DataTypes.createMapType(DataTypes.StringType, DataTypes.StringType))
                .apply(col(InputFiles.VALUE));
        Column text = col(InputFiles.VALUE).cast("string");
        Column row = from_json(text, withoutMetadata(inferred), Map.of());
        Dataset<Row> parsed = texts.length == 0
                ? lines.select(row.as("row"), line, file, block)
                : lines.select(row.as("row"), made.as("texts"), line, file, block);
        List<Column> columns = new ArrayList<>();
        kept.forEach((name, output) -> columns.add((Arrays.asList(texts).contains(name)
                        ? col("texts").getItem(name)
                        : col("row").getField(name))
                .as(output)));
        columns.addAll(List.of(col(Input.LINE), file, block));
        return numbered(parsed.select(columns.toArray(Column[]::new)), kept, Input.LINE, choice, surveyed);
    }

    private static StructType withoutMetadata(StructType schema) {
        StructType plain = new StructType();
        for (StructField field : schema.fields()) {
            plain = plain.add(field.name(), field.dataType());
        }
        return plain;
    }

    private ColumnChoice choice(StructType schema) {
        Evaluation evaluation = source.evaluation();
        evaluation.expected().ifPresent(name -> ColumnChoice.requireExpected(name, evaluation.match(), schema));
        evaluation.by().ifPresent(name -> ColumnChoice.requireComparable("--score-by", name, schema));
        return ColumnChoice.of(schema, format, source.columns(), source.promptOption());
    }

    /** The columns that reach the output, with their names there. */
    private SequencedMap<String, String> kept(ColumnChoice choice, StructType schema, RequestReader reader) {
        SequencedMap<String, String> kept = choice.kept(schema, List.of(reader.parameters()));
        source.evaluation()
                .columns()
                .filter(name -> !name.equals(kept.get(name)))
                .findFirst()
                .ifPresent(name -> {
                    throw JobException.input("the column " + name + " cannot be scored with, because the output has "
                            + (kept.containsKey(name) ? "a column of its own of that name" : "no such column")
                            + ": rename it in the input");
                });
        return kept;
    }

    /** @param line the column that holds a line, which is blank or a row; null for none */
    private Input numbered(Dataset<Row> rows, String line) {
        requireNoMetadata(rows.schema());
        StructType own = withoutCorrupt(rows.schema());
        ColumnChoice choice = choice(own);
        RequestReader reader = requestReader(choice, rows.schema());
        Column file = col("_metadata.file_path").as(Input.FILE);
        Column block = col("_metadata.file_block_start").as(Input.BLOCK);
        Surveyed surveyed = survey(asked(rows, reader, file, block), line, choice, reader);
        SequencedMap<String, String> kept = kept(choice, own, surveyed.reader());
        Dataset<Row> located = withColumns(rows, kept, reader.needed(), file, block);
        return numbered(located, kept, line, choice, surveyed);
    }

    private Input positioned(Dataset<Row> rows) {
        requireNoMetadata(rows.schema());
        Column position = col("_metadata.row_index").plus(1).as(Input.POSITION);
        return surveyed(rows, choice(rows.schema()), col("_metadata.file_path"), position);
    }

    private static void requireNoMetadata(StructType schema) {
        if (Arrays.stream(schema.fieldNames()).anyMatch("_metadata"::equalsIgnoreCase)) {
            throw JobException.input(
                    "the input has a column _metadata, which hides Spark's own column of that name, where"
                            + " rows' files and positions are: rename it");
        }
    }

    private Input surveyed(Dataset<Row> rows, ColumnChoice choice, Column path, Column position) {
        RequestReader reader = requestReader(choice, rows.schema());
        Column file = path.as(Input.FILE);
        Surveyed surveyed = survey(asked(rows, reader, file, position), null, choice, reader);
        SequencedMap<String, String> kept = kept(choice, rows.schema(), surveyed.reader());
        Dataset<Row> located = withColumns(rows, kept, reader.needed(), file, position);
        // No line of such a file is blank.
        return checked(located.withColumn(Input.ORDINAL, col(Input.POSITION)), kept, choice, surveyed);
    }

    private Input table() {
        Dataset<Row> rows;
        try {
            rows = spark.table(source.paths().getFirst());
        } catch (Exception e) {
            if (e instanceof AnalysisException) {
                throw JobException.input("no such table: " + source.paths().getFirst());
            }
            throw e;
        }
        ColumnChoice choice = choice(rows.schema());
        if (choice.id() == null) {
            throw JobException.input("the table " + source.paths().getFirst()
                    + " has no column custom_id or id with texts or whole numbers, and its rows have no position to"
                    + " make ids of: name one with --id-column");
        }
        return surveyed(
                rows, choice, lit(null).cast("string"), lit(null).cast("bigint").as(Input.POSITION));
    }

    /**
     * The kept columns under their names in the output, those that only the request needs, and more.
     *
     * @param kept names in the output by names in the input
     */
    static Dataset<Row> withColumns(Dataset<Row> rows, Map<String, String> kept, String[] needed, Column... more) {
        StructType schema = rows.schema();
        List<Column> columns = new ArrayList<>();
        kept.forEach((name, output) -> {
            DataType type = schema.apply(name).dataType();
            DataType writable = writable(type);
            Column column = type.equals(writable) ? named(name) : named(name).cast(writable);
            columns.add(column.as(output));
        });
        for (String name : needed) {
            if (!name.equals(kept.get(name))) {
                columns.add(named(name));
            }
        }
        columns.addAll(Arrays.asList(more));
        return rows.select(columns.toArray(Column[]::new));
    }

    /** The type that files can hold: text for what is never there, and for intervals of no fixed length. */
    static DataType writable(DataType type) {
        return switch (type) {
            case NullType _, CalendarIntervalType _ -> DataTypes.StringType;
            case ArrayType array -> DataTypes.createArrayType(writable(array.elementType()), array.containsNull());
            case MapType map ->
                DataTypes.createMapType(writable(map.keyType()), writable(map.valueType()), map.valueContainsNull());
            case StructType struct ->
                new StructType(Arrays.stream(struct.fields())
                        .map(field -> new StructField(
                                field.name(), writable(field.dataType()), field.nullable(), field.metadata()))
                        .toArray(StructField[]::new));
            default -> type;
        };
    }

    /** Only what tells a row's request, its id and its place, so that nothing else is read for it. */
    private static Dataset<Row> asked(Dataset<Row> rows, RequestReader reader, Column... more) {
        return withColumns(rows, Map.of(), reader.needed(), more);
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
        return choice.reader(schema, format, true, source.defaults().task(), paths.root(), spark);
    }

    /**
     * What a first pass over the rows has found.
     *
     * @param reader with the parameters that are taken
     */
    private record Surveyed(List<RowSurvey.Block> blocks, RequestReader reader, List<String> notes) {}

    private Surveyed survey(Dataset<Row> rows, String line, ColumnChoice choice, RequestReader reader) {
        RowSurvey survey = new RowSurvey(reader, line, source.defaults());
        List<RowSurvey.Block> blocks = RowSurvey.blocks(
                rows.mapPartitions(survey, Encoders.row(RowSurvey.SCHEMA)).collectAsList());
        blocks.sort(
                Comparator.comparing((RowSurvey.Block block) -> block.file).thenComparingLong(block -> block.start));
        requireAskable(blocks, reader, Arrays.asList(rows.columns()).contains(Input.BLOCK));
        Set<String> fitting = new TreeSet<>();
        Set<String> unfitting = new TreeSet<>();
        for (RowSurvey.Block block : blocks) {
            fitting.addAll(block.fitting);
            unfitting.addAll(block.unfitting);
        }
        List<String> taken = choice.parameters().taken(fitting, unfitting);
        return new Surveyed(blocks, reader.withParameters(taken), choice.notes(taken));
    }

    /**
     * Refuses what no row's error should have to say, before a model is loaded for it.
     *
     * @param inBlocks whether positions of errors are those in a block
     */
    private void requireAskable(List<RowSurvey.Block> blocks, RequestReader reader, boolean inBlocks) {
        long rows = blocks.stream().mapToLong(block -> block.rows).sum();
        if (rows == 0) {
            throw InputFiles.noRows(source.paths());
        }
        Map<String, String> errors = new LinkedHashMap<>();
        Map<String, Long> linesBefore = new HashMap<>();
        for (RowSurvey.Block block : blocks) {
            long before = inBlocks ? linesBefore.getOrDefault(block.file, 0L) : 0;
            linesBefore.merge(block.file, block.lines, Long::sum);
            block.errors.forEach((code, fault) -> {
                String location =
                        block.file.isEmpty() ? "" : reader.location(block.file, before + fault.position()) + ": ";
                errors.putIfAbsent(code, location + fault.message());
            });
        }
        if (errors.containsKey(RequestReader.AMBIGUOUS)) {
            throw JobException.input(errors.get(RequestReader.AMBIGUOUS));
        }
        if (rows >= MANY && errors.size() == 1 && blocks.stream().noneMatch(block -> block.askable)) {
            throw JobException.input("none of the " + rows + " rows can be answered, all for one reason; one of them: "
                    + errors.values().iterator().next());
        }
    }

    /** Turns offsets of blocks into positions of rows: adds up the rows of the blocks before each. */
    private Input numbered(
            Dataset<Row> rows, SequencedMap<String, String> kept, String line, ColumnChoice choice, Surveyed surveyed) {
        HashMap<String, RowNumbering.Start> starts = new HashMap<>();
        String file = "";
        RowNumbering.Start next = new RowNumbering.Start(1, 1);
        for (RowSurvey.Block block : surveyed.blocks()) {
            next = block.file.equals(file) ? next : new RowNumbering.Start(1, 1);
            file = block.file;
            starts.put(RowNumbering.key(file, block.start), next);
            next = new RowNumbering.Start(next.position() + block.lines, next.ordinal() + block.rows);
        }
        StructType columnsBefore = new StructType(
                Arrays.copyOf(rows.schema().fields(), rows.schema().size() - 1));
        StructType schema = columnsBefore
                .add(Input.POSITION, DataTypes.LongType, false)
                .add(Input.ORDINAL, DataTypes.LongType, false);
        Dataset<Row> numbered = rows.mapPartitions(new RowNumbering(line, schema, starts), Encoders.row(schema));
        return checked(numbered, kept, choice, surveyed);
    }

    private Input checked(
            Dataset<Row> rows, SequencedMap<String, String> kept, ColumnChoice choice, Surveyed surveyed) {
        List<RowSurvey.Block> blocks = surveyed.blocks();
        List<String> notes = new ArrayList<>(surveyed.notes());
        RequestReader reader = surveyed.reader();
        if (blocks.stream().anyMatch(block -> block.idsGiven)) {
            String repeated = repeatedId(rows, reader);
            if (repeated != null && (choice.idSure() || format == InputFormat.TABLE)) {
                throw JobException.input(repeated + ": ids must be unique; name another column with --id-column"
                        + (format == InputFormat.TABLE
                                ? ""
                                : ", or give --id-column none to have ids made of file and position"));
            }
            if (repeated != null) {
                reader = reader.withMadeIds();
                notes.add("ids are made of file and position, because " + repeated
                        + "; --id-column names another column");
            }
        }
        notes.addAll(ColumnChoice.renamed(kept));
        Input.Survey survey = new Input.Survey(
                blocks.stream().mapToLong(block -> block.rows).sum(),
                blocks.stream().anyMatch(block -> block.severalOutputs),
                blocks.stream().anyMatch(block -> block.logprobs),
                blocks.stream().anyMatch(block -> block.choices),
                blocks.stream().anyMatch(block -> block.promptLogprobs),
                blocks.stream().anyMatch(block -> block.tools));
        Map<String, Long> files = new TreeMap<>();
        blocks.forEach(block -> files.merge(block.file, block.rows, Long::sum));
        files.remove("");
        return new Input(
                rows,
                kept.size(),
                reader,
                files.entrySet().stream()
                        .map(entry -> new FileRows(entry.getKey(), entry.getValue()))
                        .toList(),
                survey,
                choice.meanings(reader),
                notes);
    }

    /** Says which id is on several rows; null if none is. */
    private static String repeatedId(Dataset<Row> rows, RequestReader reader) {
        Dataset<Row> ids = Input.asked(rows, reader).mapPartitions(new RowIds(reader), Encoders.row(RowIds.SCHEMA));
        List<Row> duplicate = ids.groupBy("id")
                .agg(
                        count(lit(1)).as("rows"),
                        min("location").as("first"),
                        max("location").as("last"))
                .filter(col("rows").gt(1))
                .limit(1)
                .collectAsList();
        if (duplicate.isEmpty()) {
            return null;
        }
        Row row = duplicate.getFirst();
        String where =
                row.getString(2).isEmpty() ? "" : ", among them " + row.getString(2) + " and " + row.getString(3);
        return "the " + reader.idColumn() + " " + shortened(row.getString(0)) + " is on " + row.getLong(1) + " rows"
                + where;
    }

    private static String shortened(String id) {
        return id.length() <= 100 ? id : id.substring(0, 100) + "…";
    }
}
