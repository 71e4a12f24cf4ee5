package io.github.sparkmixtral.job.input;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.is_valid_utf8;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.not;
import static org.apache.spark.sql.functions.when;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.Uris;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.SequencedSet;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.DataFrameReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.SerializableConfiguration;

/**
 * The files of an input as Spark reads them, after a look at their first bytes.
 *
 * @param paths the files
 * @param names what the user calls them
 * @param format none but that of files
 */
record InputFiles(SparkSession spark, InputPaths paths, List<String> names, InputFormat format) {
    /** The column of a line, or of what stands for one, before columns are made of it. */
    static final String VALUE = "value";

    /** Tasks that look at beginnings of files. */
    private static final int MOST_PROBES = 1000;

    private DataFrameReader reader() {
        return spark.read().option("recursiveFileLookup", true);
    }

    private String[] all() {
        return names.toArray(String[]::new);
    }

    private SerializableConfiguration configuration() {
        return new SerializableConfiguration(spark.sessionState().newHadoopConf());
    }

    static JobException noRows(List<String> names) {
        return JobException.input("the input has no rows: " + String.join(", ", names));
    }

    /** What the first bytes of the files say. */
    private List<FileProbe.Found> probe() {
        List<String> uris =
                paths.files().stream().map(file -> file.getPath().toString()).toList();
        FileProbe probe = new FileProbe(format, configuration());
        List<FileProbe.Found> all = new JavaSparkContext(spark.sparkContext())
                .parallelize(new ArrayList<>(uris), Math.min(uris.size(), MOST_PROBES))
                .map(probe)
                .collect();
        for (FileProbe.Found found : all) {
            if (found.fault() != null) {
                throw JobException.input("the input " + name(found) + " " + found.fault());
            }
        }
        return all;
    }

    /** The lines of the files, and the elements of those that do not keep to lines, as bytes. */
    Dataset<Row> jsonLines() {
        List<String> documents = new ArrayList<>();
        List<String> others = new ArrayList<>();
        probe().forEach(found -> (found.document() ? documents : others).add(found.file()));
        Dataset<Row> elements = documents.isEmpty()
                ? null
                : spark.createDataset(
                        new JavaSparkContext(spark.sparkContext())
                                .parallelize(documents, documents.size())
                                .flatMap(new JsonDocuments(configuration()))
                                .rdd(),
                        Encoders.row(JsonDocuments.SCHEMA));
        if (others.isEmpty()) {
            return elements;
        }
        String[] read = documents.isEmpty()
                ? all()
                : others.stream()
                        .map(name -> name.replaceAll("[\\[\\]{}*?\\\\]", "\\\\$0"))
                        .toArray(String[]::new);
        Dataset<Row> lines = reader().text(read)
                .select(
                        col(VALUE).cast("binary").as(VALUE),
                        col("_metadata.file_path").as(Input.FILE),
                        col("_metadata.file_block_start").as(Input.BLOCK));
        return elements == null ? lines : lines.union(elements);
    }

    /** Columns that only some of the files have are null in the others. */
    Dataset<Row> parquet() {
        for (FileStatus file : paths.files()) {
            if (file.getLen() == 0) {
                throw JobException.input(
                        file.getPath() + " is empty and no Parquet file: remove it, or write it again");
            }
        }
        return spark.read().option("mergeSchema", true).parquet(all());
    }

    /** Lines, and in {@link RequestReader#CORRUPT} whether they are no text. */
    Dataset<Row> text() {
        probe();
        return reader().text(all())
                .withColumn(RequestReader.CORRUPT, when(not(is_valid_utf8(col(VALUE))), lit("")))
                .withColumnRenamed(VALUE, "text");
    }

    /** Cells are text: what is a number is decided where one is wanted, so that a prompt of digits stays as it is. */
    Dataset<Row> csv() {
        List<FileProbe.Found> probed =
                probe().stream().filter(found -> found.csv() != null).toList();
        if (probed.isEmpty()) {
            throw noRows(names);
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
                .csv(all());
    }

    /** A column without a name, such as pandas' index, is called as Spark calls it: {@code _c0}. */
    private static SequencedSet<String> columnNames(List<String> header) {
        SequencedSet<String> columns = new LinkedHashSet<>();
        for (int i = 0; i < header.size(); i++) {
            String name = header.get(i).isEmpty() ? "_c" + i : header.get(i);
            if (!columns.add(name)) {
                throw JobException.input("the CSV header has the column " + name + " twice: rename one");
            }
        }
        return columns;
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
}
