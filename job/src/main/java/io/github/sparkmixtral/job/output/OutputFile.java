package io.github.sparkmixtral.job.output;

import io.github.sparkmixtral.job.options.Uris;
import java.io.IOException;
import java.io.InputStream;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.util.SerializableConfiguration;

/**
 * A file of answers, as the manifest lists it.
 *
 * @param name below the output's directory
 * @param sha256 of its bytes, as hexadecimal digits
 */
record OutputFile(String name, long rows, long bytes, String sha256) implements java.io.Serializable {
    private static final int MOST_TASKS = 1000;

    /**
     * Reads all files once more, on the executors.
     *
     * @param rows by normalized URI
     */
    static List<OutputFile> of(
            SparkSession spark,
            String root,
            List<FileStatus> files,
            Map<String, Long> rows,
            Configuration configuration) {
        if (files.isEmpty()) {
            return List.of();
        }
        SerializableConfiguration shared = new SerializableConfiguration(configuration);
        record Found(String uri, long bytes) implements java.io.Serializable {}
        List<Found> found = files.stream()
                .map(file -> new Found(file.getPath().toString(), file.getLen()))
                .toList();
        List<String> digests = JavaSparkContext.fromSparkContext(spark.sparkContext())
                .parallelize(found, Math.min(found.size(), MOST_TASKS))
                .map(file -> sha256(file.uri(), shared.value()))
                .collect();
        List<OutputFile> list = new java.util.ArrayList<>();
        for (int i = 0; i < found.size(); i++) {
            Found file = found.get(i);
            long counted = rows.getOrDefault(
                    Uris.normalized(new Path(file.uri()).toUri().toString()), 0L);
            String name = file.uri().startsWith(root + "/") ? file.uri().substring(root.length() + 1) : file.uri();
            list.add(new OutputFile(name, counted, file.bytes(), digests.get(i)));
        }
        return list;
    }

    private static String sha256(String uri, Configuration configuration) throws IOException {
        Path path = new Path(uri);
        try (InputStream in = path.getFileSystem(configuration).open(path)) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            new DigestInputStream(in, digest).transferTo(java.io.OutputStream.nullOutputStream());
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
