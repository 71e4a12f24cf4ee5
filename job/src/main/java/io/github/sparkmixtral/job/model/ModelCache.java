package io.github.sparkmixtral.job.model;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.job.fault.RootCause;
import io.github.sparkmixtral.model.HuggingFaceCache;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.Quantization;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;

/**
 * The models that this host has fetched. A model is fetched once, whoever asks and however often: a file lock lets one process
 * fetch while the others wait, a broken-off file goes on where it stopped, and a model that has changed since (other files,
 * sizes or times) gets a directory of its own. Nothing is ever removed.
 *
 * @param directory holds one directory per model
 * @param configuration Hadoop's, for the file systems
 * @param progress gets lines for the log
 * @param pause waits before a transfer that broke off goes on
 */
public record ModelCache(Path directory, Configuration configuration, Consumer<String> progress, Attempts.Pause pause) {

    /** One that waits as long as it is asked to. */
    public ModelCache(Path directory, Configuration configuration, Consumer<String> progress) {
        this(directory, configuration, progress, Thread::sleep);
    }

    /** {@code spark-mixtral/models} in {@code $XDG_CACHE_HOME}, or else in {@code ~/.cache}. */
    public static Path defaultDirectory() {
        String caches = System.getenv("XDG_CACHE_HOME");
        Path base = caches == null || caches.isBlank()
                ? Path.of(System.getProperty("user.home"), ".cache")
                : Path.of(caches);
        return base.resolve("spark-mixtral").resolve("models");
    }

    /** Whether the model is a path of this host's own file system, rather than a URI to fetch. */
    public static boolean isLocal(String model) {
        return !model.matches("[A-Za-z][A-Za-z0-9+.-]+:.*") || model.startsWith("file:");
    }

    /**
     * The path of a model of this host's own file system; of a model in Hugging Face's cache, the snapshot's.
     *
     * @throws ModelException where there is none
     */
    public static Path requireLocal(String model) {
        Path path = model.startsWith("file:")
                ? Path.of(new org.apache.hadoop.fs.Path(model).toUri().getPath())
                : Path.of(model);
        if (!Files.exists(path)) {
            throw new ModelException("no such model: " + model);
        }
        return HuggingFaceCache.snapshot(path);
    }

    /**
     * What the model's headers say. Of a remote model that is not here already it reads these alone.
     *
     * @throws ModelException where there is none, or it cannot be fetched or read
     */
    public ModelDescription describe(String model, Quantization quantization) {
        return isLocal(model)
                ? ModelLoader.describe(requireLocal(model), quantization)
                : remote(model, found -> described(found, quantization));
    }

    private ModelDescription described(ModelSource model, Quantization quantization) throws IOException {
        Path target = target(model);
        return model.isWholeIn(target)
                ? ModelLoader.describe(model.in(target), quantization)
                : new ModelHeads(model, attempts()).describe(quantization);
    }

    /**
     * The model's path on this host; fetches it first where it is remote.
     *
     * @throws ModelException where there is none, or it cannot be fetched
     */
    public Path localPath(String model) {
        return isLocal(model) ? requireLocal(model) : remote(model, found -> fetched(found, Redaction.redact(model)));
    }

    private interface Use<T> {
        T of(ModelSource model) throws IOException;
    }

    private <T> T remote(String model, Use<T> use) {
        String shown = Redaction.redact(model);
        try {
            org.apache.hadoop.fs.Path source = new org.apache.hadoop.fs.Path(model);
            // An instance of its own: the shared ones are closed by whoever closes them.
            try (FileSystem fileSystem = FileSystem.newInstance(source.toUri(), withFileChecksums())) {
                return use.of(ModelSource.find(fileSystem, source, shown));
            }
        } catch (java.io.FileNotFoundException e) {
            throw new ModelException("no such model: " + shown, e);
        } catch (IOException | IllegalArgumentException e) {
            throw new ModelException(
                    Redaction.redact("the model " + model + " cannot be fetched: " + RootCause.sentence(e)), e);
        }
    }

    private Path target(ModelSource model) {
        return directory.resolve(model.uniqueName());
    }

    private Attempts attempts() {
        return new Attempts(pause, progress);
    }

    /** HDFS tells the checksum of a whole file only where it is asked to combine those of its chunks. */
    private Configuration withFileChecksums() {
        Configuration copy = new Configuration(configuration);
        copy.set("dfs.checksum.combine.mode", "COMPOSITE_CRC");
        return copy;
    }

    private Path fetched(ModelSource model, String shown) throws IOException {
        Path target = target(model);
        Files.createDirectories(target);
        // File locks are the process's: its own threads are kept apart by the monitor.
        synchronized (ModelCache.class) {
            try (FileChannel lock = FileChannel.open(
                            Path.of(target + ".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                    var _ = lock.lock()) {
                requireSpace(model.files(), target, shown);
                for (FileStatus file : model.files()) {
                    Path here = target.resolve(file.getPath().getName());
                    new ModelFile(model.fileSystem(), file, here, attempts()).fetch();
                }
            }
        }
        return model.in(target);
    }

    private static void requireSpace(List<FileStatus> files, Path target, String shown) throws IOException {
        long missing = 0;
        for (FileStatus file : files) {
            missing += file.getLen()
                    - ModelFile.bytesHere(target.resolve(file.getPath().getName()));
        }
        FileStore store = Files.getFileStore(target);
        if (missing > store.getUsableSpace()) {
            throw new ModelException(String.format(
                    Locale.ROOT,
                    "the model %s needs %.1f GB more in %s, where %.1f GB are free: free some, or give another --model-cache",
                    shown,
                    missing / 1e9,
                    target.getParent(),
                    store.getUsableSpace() / 1e9));
        }
    }

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
