package io.github.sparkmixtral.job.model;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.job.fault.RootCause;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.Quantization;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
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
 */
public record ModelCache(Path directory, Configuration configuration, Consumer<String> progress) {

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
     * The path of a model of this host's own file system.
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
        return path;
    }

    /**
     * What the model's headers say.
     *
     * @throws ModelException where there is none, or it cannot be fetched or read
     */
    public ModelDescription describe(String model, Quantization quantization) {
        return ModelLoader.describe(localPath(model), quantization);
    }

    /**
     * The model's path on this host; fetches it first where it is remote.
     *
     * @throws ModelException where there is none, or it cannot be fetched
     */
    public Path localPath(String model) {
        if (isLocal(model)) {
            return requireLocal(model);
        }
        String shown = Redaction.redact(model);
        try {
            org.apache.hadoop.fs.Path source = new org.apache.hadoop.fs.Path(model);
            // An instance of its own: the shared ones are closed by whoever closes them.
            try (FileSystem fileSystem = FileSystem.newInstance(source.toUri(), withFileChecksums())) {
                return fetched(fileSystem, source, shown);
            }
        } catch (java.io.FileNotFoundException e) {
            throw new ModelException("no such model: " + shown, e);
        } catch (IOException | IllegalArgumentException e) {
            throw new ModelException(
                    Redaction.redact("the model " + model + " cannot be fetched: " + RootCause.sentence(e)), e);
        }
    }

    /** HDFS tells the checksum of a whole file only where it is asked to combine those of its chunks. */
    private Configuration withFileChecksums() {
        Configuration copy = new Configuration(configuration);
        copy.set("dfs.checksum.combine.mode", "COMPOSITE_CRC");
        return copy;
    }

    private Path fetched(FileSystem fileSystem, org.apache.hadoop.fs.Path source, String shown) throws IOException {
        FileStatus status = fileSystem.getFileStatus(source);
        List<FileStatus> files = status.isFile() ? List.of(status) : modelFiles(fileSystem, source);
        if (files.isEmpty()) {
            throw new ModelException("no such model: " + shown + " holds no model files");
        }
        Path target = directory.resolve(source.getName() + "-" + key(source, files));
        Files.createDirectories(target);
        // File locks are the process's: its own threads are kept apart by the monitor.
        synchronized (ModelCache.class) {
            try (FileChannel lock = FileChannel.open(
                            Path.of(target + ".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                    var _ = lock.lock()) {
                requireSpace(files, target, shown);
                for (FileStatus file : files) {
                    new ModelFile(
                                    fileSystem,
                                    file,
                                    target.resolve(file.getPath().getName()),
                                    progress)
                            .fetch();
                }
            }
        }
        return status.isFile() ? target.resolve(source.getName()) : target;
    }

    /** What a Hugging Face directory's model is made of; it may hold other formats' copies of the weights beside. */
    private static List<FileStatus> modelFiles(FileSystem fileSystem, org.apache.hadoop.fs.Path source)
            throws IOException {
        List<FileStatus> files = new ArrayList<>();
        for (FileStatus file : fileSystem.listStatus(source)) {
            String name = file.getPath().getName();
            boolean weights = name.endsWith(".safetensors") && !name.startsWith("consolidated");
            if (file.isFile()
                    && !name.startsWith(".")
                    && (weights || name.endsWith(".json") || name.startsWith("tokenizer."))) {
                files.add(file);
            }
        }
        files.sort(Comparator.comparing(file -> file.getPath().getName()));
        return files;
    }

    private static String key(org.apache.hadoop.fs.Path source, List<FileStatus> files) {
        StringBuilder identity = new StringBuilder(source.toString());
        for (FileStatus file : files) {
            identity.append('\n')
                    .append(file.getPath().getName())
                    .append(' ')
                    .append(file.getLen())
                    .append(' ')
                    .append(file.getModificationTime());
        }
        byte[] digest = sha256().digest(identity.toString().getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().formatHex(digest, 0, 8);
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
