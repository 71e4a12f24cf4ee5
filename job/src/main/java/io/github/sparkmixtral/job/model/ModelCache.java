package io.github.sparkmixtral.job.model;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.job.fault.RootCause;
import io.github.sparkmixtral.model.HuggingFaceCache;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.ModelOutline;
import io.github.sparkmixtral.model.Quantization;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
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
 * @param environment variables that say how the Hugging Face Hub is asked
 */
public record ModelCache(
        Path directory,
        Configuration configuration,
        Consumer<String> progress,
        Attempts.Pause pause,
        Map<String, String> environment) {

    /** One that waits as long as it is asked to, in this process's environment. */
    public ModelCache(Path directory, Configuration configuration, Consumer<String> progress) {
        this(directory, configuration, progress, Thread::sleep, System.getenv());
    }

    /** {@code spark-mixtral/models} in {@code $XDG_CACHE_HOME}, or else in {@code ~/.cache}. */
    public static Path defaultDirectory() {
        String caches = System.getenv("XDG_CACHE_HOME");
        Path base = caches == null || caches.isBlank()
                ? Path.of(System.getProperty("user.home"), ".cache")
                : Path.of(caches);
        return base.resolve("spark-mixtral").resolve("models");
    }

    /**
     * A model as options name it, so that it means the same anywhere: a path becomes absolute, an id of the Hugging Face Hub or
     * the address of its page its URI. A path that exists wins over an id.
     *
     * @throws io.github.sparkmixtral.job.fault.JobException with exit code 2 where it begins like a model of the Hub and is none
     */
    public static String located(String given) {
        String model = HubModel.ofPage(given);
        if (HubModel.isExplicit(model)) {
            return HubModel.parse(model).toString();
        }
        if (!isLocal(model) || model.startsWith("file:")) {
            return model;
        }
        Path path = Path.of(model);
        return HubModel.isPossibleId(model) && !Files.exists(path)
                ? HubModel.parse(model).toString()
                : path.toAbsolutePath().toString();
    }

    /** The commit of a model of the Hugging Face Hub that is pinned to one. */
    public static Optional<String> commit(String model) {
        return HubModel.isExplicit(model) ? HubModel.parse(model).commit() : Optional.empty();
    }

    /** The model's path or URI without a revision of the Hugging Face Hub. */
    public static String withoutRevision(String model) {
        if (!HubModel.isExplicit(model)) {
            return model;
        }
        HubModel hub = HubModel.parse(model);
        return new HubModel(hub.owner(), hub.name(), Optional.empty(), hub.file()).toString();
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
            throw new ModelException("no such model: " + model + ": give a path that exists, a URI, or a model of the"
                    + " Hugging Face Hub with its owner, such as mistralai/Mixtral-8x7B-Instruct-v0.1");
        }
        return HuggingFaceCache.snapshot(path);
    }

    /**
     * The model as it stays: of the Hugging Face Hub, the commit that its branch stands at now, and the file that it is. Whoever
     * fetches this gets the same, however the branch moves on.
     *
     * @throws ModelException where there is none, or it cannot be asked for
     */
    public String pinned(String model) {
        return HubModel.isExplicit(model)
                ? remote(model, found -> found.source().toString())
                : model;
    }

    /** What executors need to fetch the model as this host does: goes to them inside of their tasks, and nowhere else. */
    public static Configuration sent(String model, Configuration configuration) {
        return HubSettings.sent(model, System.getenv(), configuration);
    }

    /**
     * What the model's headers say. Of a remote model that is not here already it reads these alone.
     *
     * @throws ModelException where there is none, or it cannot be fetched or read
     */
    public ModelDescription describe(String model, Quantization quantization) {
        return outline(model).description(quantization);
    }

    /**
     * The same down to the model's tensors.
     *
     * @throws ModelException where there is none, or it cannot be fetched or read
     */
    public ModelOutline outline(String model) {
        return isLocal(model) ? ModelLoader.outline(requireLocal(model)) : remote(model, this::outlined);
    }

    private ModelOutline outlined(ModelSource model) throws IOException {
        Optional<Path> here = here(model);
        return here.isPresent() ? ModelLoader.outline(here.get()) : new ModelHeads(model, attempts()).outline();
    }

    /** The model's path on this host, if all of it is here: in this cache, or in that of Hugging Face's own tools. */
    private Optional<Path> here(ModelSource model) throws IOException {
        if (model.fileSystem() instanceof HubFileSystem hub && model.isWholeIn(hub.snapshot(model.parent()))) {
            return Optional.of(model.in(hub.snapshot(model.parent())));
        }
        Path target = target(model);
        return model.isWholeIn(target) ? Optional.of(model.in(target)) : Optional.empty();
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
            if (HubModel.isExplicit(model)) {
                return ofHub(HubModel.parse(model), shown, use);
            }
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

    private <T> T ofHub(HubModel model, String shown, Use<T> use) throws IOException {
        HubSettings settings = HubSettings.of(environment, configuration);
        try (HubClient client = new HubClient(settings, EnvironmentProxy.of(environment))) {
            HubRepository repository = new HubRepository(model, settings, client, directory.resolve("hub"), attempts());
            try (HubFileSystem hub = new HubFileSystem(repository, configuration)) {
                return use.of(ModelSource.find(hub, hub.source(), shown));
            }
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
        Optional<Path> whole = here(model);
        if (whole.isPresent()) {
            return whole.get();
        }
        fetch(model.fileSystem(), model.files(), target(model), "the model " + shown);
        return model.in(target(model));
    }

    /**
     * A directory on this host with files of a remote one, which are fetched as those of a model are.
     *
     * @param location URI of the directory
     * @param names of the files in it
     * @param uniqueName that no other content has
     * @throws ModelException where they cannot be fetched
     */
    public Path files(String location, List<String> names, String uniqueName) {
        String shown = Redaction.redact(location);
        Path target = directory.resolve(uniqueName);
        org.apache.hadoop.fs.Path source = new org.apache.hadoop.fs.Path(location);
        try (FileSystem fileSystem = FileSystem.newInstance(source.toUri(), withFileChecksums())) {
            List<FileStatus> files = new ArrayList<>();
            for (String name : names) {
                files.add(fileSystem.getFileStatus(new org.apache.hadoop.fs.Path(source, name)));
            }
            fetch(fileSystem, files, target, shown);
            return target;
        } catch (IOException e) {
            throw new ModelException(Redaction.redact(location + " cannot be fetched: " + RootCause.sentence(e)), e);
        }
    }

    /** @param what the files are, for messages */
    private void fetch(FileSystem fileSystem, List<FileStatus> files, Path target, String what) throws IOException {
        Files.createDirectories(target);
        // File locks are the process's: its own threads are kept apart by the monitor.
        synchronized (ModelCache.class) {
            try (FileChannel lock = FileChannel.open(
                            Path.of(target + ".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                    var _ = lock.lock()) {
                requireSpace(files, target, what);
                for (FileStatus file : files) {
                    Path here = target.resolve(file.getPath().getName());
                    new ModelFile(fileSystem, file, here, attempts()).fetch();
                }
            }
        }
    }

    private static void requireSpace(List<FileStatus> files, Path target, String what) throws IOException {
        long missing = 0;
        for (FileStatus file : files) {
            missing += file.getLen()
                    - ModelFile.bytesHere(target.resolve(file.getPath().getName()));
        }
        FileStore store = Files.getFileStore(target);
        if (missing > store.getUsableSpace()) {
            throw new ModelException(String.format(
                    Locale.ROOT,
                    "%s needs %.1f GB more in %s, where %.1f GB are free: free some, or give another --model-cache",
                    what,
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
