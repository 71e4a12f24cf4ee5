package io.github.sparkmixtral.job.cluster;

import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;

/** A server that speaks S3, as a process on this machine, with one bucket. It takes every key and checks no signature. */
final class S3Server implements AutoCloseable {
    private static final String BUCKET = "answers";
    private static final Path SERVER = Path.of("target", "s3mock.jar").toAbsolutePath();

    private final int port = StandaloneCluster.freePort();
    private final Process process;

    S3Server(Path directory) throws IOException, InterruptedException {
        process = new ProcessBuilder(
                        StandaloneCluster.java(),
                        "-Xmx256m",
                        "-jar",
                        SERVER.toString(),
                        "--http.port=" + port,
                        // Its HTTPS is not used.
                        "--server.port=0",
                        "--server.address=127.0.0.1",
                        "--com.adobe.testing.s3mock.store.root=" + directory.resolve("objects"),
                        "--com.adobe.testing.s3mock.store.initial-buckets=" + BUCKET)
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("s3-server.log").toFile())
                .start();
        await(directory);
    }

    private void await(Path directory) throws InterruptedException {
        for (int i = 0; i < 600 && process.isAlive(); i++) {
            try (Socket _ = new Socket("127.0.0.1", port)) {
                return;
            } catch (IOException notYet) {
                TimeUnit.MILLISECONDS.sleep(100);
            }
        }
        throw new IllegalStateException("the S3 server has not started: see its log in " + directory);
    }

    URI endpoint() {
        return URI.create("http://127.0.0.1:" + port);
    }

    static String uri(String key) {
        return "s3a://" + BUCKET + "/" + key;
    }

    /** Settings of Hadoop's client, without keys. */
    static Map<String, String> settings(URI endpoint) {
        return Map.of(
                "fs.s3a.endpoint",
                endpoint.toString(),
                "fs.s3a.endpoint.region",
                "us-east-1",
                "fs.s3a.path.style.access",
                "true");
    }

    /** The same as properties of Spark. */
    static List<String> properties(URI endpoint) {
        return settings(endpoint).entrySet().stream()
                .map(setting -> "spark.hadoop." + setting.getKey() + "=" + setting.getValue())
                .toList();
    }

    FileSystem fileSystem() throws IOException {
        Configuration configuration = new Configuration();
        settings(endpoint()).forEach(configuration::set);
        configuration.set("fs.s3a.access.key", "test");
        configuration.set("fs.s3a.secret.key", "test");
        return FileSystem.newInstance(URI.create(uri("")), configuration);
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
