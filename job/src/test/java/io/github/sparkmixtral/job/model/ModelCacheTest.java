package io.github.sparkmixtral.job.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.file.ModelException;
import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileChecksum;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelCacheTest {

    @TempDir
    private Path directory;

    private final List<String> progress = Collections.synchronizedList(new ArrayList<>());
    private final List<Duration> pauses = Collections.synchronizedList(new ArrayList<>());
    private final byte[] bytes = new byte[10 << 20];
    private Path remote;

    @BeforeEach
    void makeModelSource() throws IOException {
        FlakyFileSystem.reset();
        new Random(1).nextBytes(bytes);
        remote = directory.resolve("remote/mixtral.gguf");
        Files.createDirectories(remote.getParent());
        Files.write(remote, bytes);
    }

    private ModelCache cache() {
        Configuration configuration = new Configuration();
        configuration.set("fs.flaky.impl", FlakyFileSystem.class.getName());
        return new ModelCache(directory.resolve("cache"), configuration, progress::add, pauses::add, Map.of());
    }

    @Test
    void localModelsStayWhereTheyAre() {
        assertThat(cache().localPath(remote.toString())).isEqualTo(remote);
        assertThat(cache().localPath("file://" + remote)).isEqualTo(remote);
        assertThat(directory.resolve("cache")).doesNotExist();
        assertThatThrownBy(() -> cache().localPath("/no/where"))
                .isInstanceOf(ModelException.class)
                .hasMessageStartingWith("no such model: /no/where: give a path that exists");
        assertThatThrownBy(() -> cache().localPath("flaky:/no/where"))
                .isInstanceOf(ModelException.class)
                .hasMessage("no such model: flaky:/no/where");
        assertThatThrownBy(() -> cache().localPath("gopher://user:pass@host/x"))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("the model gopher://***@host/x cannot be fetched: ")
                .hasMessageContaining("gopher");
    }

    @Test
    void remoteModelIsFetchedOnce() throws IOException {
        Path first = cache().localPath("flaky:" + remote);
        Path second = cache().localPath("flaky:" + remote);

        assertThat(first).hasBinaryContent(bytes).hasFileName("mixtral.gguf");
        assertThat(second).isEqualTo(first);
        assertThat(FlakyFileSystem.FILES_OPENED).hasValue(1);
        assertThat(FlakyFileSystem.BYTES_READ).hasValue(bytes.length);
        assertThat(progress).singleElement().asString().contains("fetching", "mixtral.gguf", "of 10.5 MB");
    }

    @Test
    void manyAskersFetchOnce() throws Exception {
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            Callable<Path> asker = () -> cache().localPath("flaky:" + remote);
            List<Future<Path>> paths = threads.invokeAll(Collections.nCopies(8, asker));
            for (Future<Path> path : paths) {
                assertThat(path.get()).hasBinaryContent(bytes);
            }
        }

        assertThat(FlakyFileSystem.BYTES_READ).hasValue(bytes.length);
    }

    @Test
    void brokenOffTransferGoesOnWhereItStopped() throws IOException {
        FlakyFileSystem.breakAfter = 4 << 20;
        FlakyFileSystem.FAILURES_LEFT.set(2);

        Path path = cache().localPath("flaky:" + remote);

        assertThat(path).hasBinaryContent(bytes);
        assertThat(FlakyFileSystem.BYTES_READ).hasValue(bytes.length);
        assertThat(FlakyFileSystem.FILES_OPENED).hasValue(3);
        assertThat(progress).anyMatch(line -> line.contains("broke off (connection reset): going on"));
    }

    @Test
    void anyNumberOfBreaksIsOutlivedAsLongAsBytesCome() throws IOException {
        FlakyFileSystem.breakAfter = 1 << 20;
        FlakyFileSystem.FAILURES_LEFT.set(9);

        assertThat(cache().localPath("flaky:" + remote)).hasBinaryContent(bytes);

        assertThat(FlakyFileSystem.FILES_OPENED).hasValue(10);
        assertThat(pauses)
                .hasSize(9)
                .allSatisfy(pause -> assertThat(pause).isBetween(Duration.ofMillis(750), Duration.ofMillis(1250)));
    }

    @Test
    void nextJobGoesOnWhereAFailedOneStopped() throws IOException {
        FlakyFileSystem.breakAt = 4 << 20;
        FlakyFileSystem.FAILURES_LEFT.set(5);
        assertThatThrownBy(() -> cache().localPath("flaky:" + remote))
                .isInstanceOf(ModelException.class)
                .hasMessage("the model flaky:" + remote + " cannot be fetched: connection reset");
        assertThat(FlakyFileSystem.BYTES_READ).hasValue(4 << 20);
        // One attempt that got on, and three pauses between the four that did not.
        assertThat(pauses).hasSize(4).satisfies(last -> {
            assertThat(last.get(1)).isBetween(Duration.ofMillis(750), Duration.ofMillis(1250));
            assertThat(last.get(2)).isBetween(Duration.ofMillis(1500), Duration.ofMillis(2500));
            assertThat(last.get(3)).isBetween(Duration.ofMillis(3000), Duration.ofMillis(5000));
        });

        Path path = cache().localPath("flaky:" + remote);

        assertThat(path).hasBinaryContent(bytes);
        assertThat(FlakyFileSystem.BYTES_READ).hasValue(bytes.length);
    }

    @Test
    void interruptEndsAFetchThatWaits() {
        FlakyFileSystem.breakAfter = 1 << 20;
        FlakyFileSystem.FAILURES_LEFT.set(100);
        Configuration configuration = cache().configuration();
        ModelCache interrupted = new ModelCache(
                directory.resolve("cache"),
                configuration,
                progress::add,
                _ -> {
                    throw new InterruptedException();
                },
                Map.of());

        assertThatThrownBy(() -> interrupted.localPath("flaky:" + remote))
                .isInstanceOf(ModelException.class)
                .hasMessageEndingWith("cannot be fetched: connection reset");
        assertThat(Thread.interrupted()).isTrue();
        assertThat(FlakyFileSystem.FILES_OPENED).hasValue(1);
    }

    @Test
    void changedModelIsFetchedAnew() throws IOException {
        Path old = cache().localPath("flaky:" + remote);
        byte[] other = new byte[1000];
        Files.write(remote, other);

        Path changed = cache().localPath("flaky:" + remote);

        assertThat(changed).hasBinaryContent(other).isNotEqualTo(old);
        assertThat(old).hasBinaryContent(bytes);
    }

    @Test
    void checksumBesideTheFileIsHeld() throws IOException {
        String right = HexFormat.of().formatHex(ModelCache.sha256().digest(bytes));
        Path beside = Path.of(remote + ".sha256");
        Files.writeString(beside, "0".repeat(64) + "  mixtral.gguf\n");

        assertThatThrownBy(() -> cache().localPath("flaky:" + remote))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("mixtral.gguf has the SHA-256 " + right + " instead of " + "0".repeat(64));

        Files.writeString(beside, right + "  mixtral.gguf\n");
        assertThat(cache().localPath("flaky:" + remote)).hasBinaryContent(bytes);
    }

    @Test
    void checksumOfTheFileSystemIsHeld() {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        FlakyFileSystem.checksum = new CompositeCrc((int) crc.getValue() + 1);
        assertThatThrownBy(() -> cache().localPath("flaky:" + remote))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("COMPOSITE-CRC32C");

        FlakyFileSystem.checksum = new CompositeCrc((int) crc.getValue());
        assertThat(cache().localPath("flaky:" + remote)).hasBinaryContent(bytes);
    }

    @Test
    void ofADirectoryOnlyTheModelIsFetched() throws IOException {
        Path model = Files.createDirectories(directory.resolve("remote/mixtral"));
        for (String name : List.of(
                "config.json",
                "tokenizer.model",
                "model-00001-of-00001.safetensors",
                "consolidated.00.safetensors",
                "pytorch_model.bin",
                "README.md",
                ".hidden.json")) {
            Files.writeString(model.resolve(name), name);
        }

        Path path = cache().localPath("flaky:" + model);

        try (Stream<Path> files = Files.list(path)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder("config.json", "tokenizer.model", "model-00001-of-00001.safetensors");
        }
    }

    /** What HDFS gives for a whole file. */
    private static final class CompositeCrc extends FileChecksum {
        private final int value;

        CompositeCrc(int value) {
            this.value = value;
        }

        @Override
        public String getAlgorithmName() {
            return "COMPOSITE-CRC32C";
        }

        @Override
        public int getLength() {
            return 4;
        }

        @Override
        public byte[] getBytes() {
            return ByteBuffer.allocate(4).putInt(value).array();
        }

        @Override
        public void write(DataOutput out) {}

        @Override
        public void readFields(DataInput in) {}
    }
}
