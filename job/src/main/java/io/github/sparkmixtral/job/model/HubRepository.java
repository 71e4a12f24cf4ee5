package io.github.sparkmixtral.job.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.job.fault.RootCause;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;

/** A model of the Hub at one commit: which files it is made of, and their bytes. */
final class HubRepository {
    private static final JsonMapper JSON = new JsonMapper();

    /** Far more than an index of weights has. */
    private static final long MOST_BYTES = 64 << 20;

    private final HubSettings settings;
    private final HubClient client;
    private final Path records;
    private final Attempts attempts;

    /** Small files that were read to find out what the model is. */
    private final Map<String, byte[]> read = new HashMap<>();

    private final HubModel model;
    private final List<HubFile> files;

    private record Listing(String commit, List<HubFile> files) {}

    /**
     * Finds out what the model is made of: from the Hub, or, where it is not to be asked or need not be, from what is here.
     *
     * @param records directory for the lists of files that the Hub has given
     * @throws ModelException where there is no such model, or it may not be read
     */
    HubRepository(HubModel asked, HubSettings settings, HubClient client, Path records, Attempts attempts)
            throws IOException {
        this.settings = settings;
        this.client = client;
        this.records = records.resolve(folder(asked));
        this.attempts = attempts;
        Listing listing = listing(asked);
        HubModel atCommit = asked.at(listing.commit(), asked.file());
        HubSelection selection = HubSelection.of(atCommit, listing.files(), file -> bytes(atCommit, file));
        this.model = asked.at(listing.commit(), selection.file());
        this.files = selection.files();
    }

    private static String folder(HubModel model) {
        return "models--" + model.owner() + "--" + model.name();
    }

    /** At its commit, and with its file if it is one. */
    HubModel model() {
        return model;
    }

    /** What the model is made of. */
    List<HubFile> files() {
        return files;
    }

    /** Where Hugging Face's own tools keep this commit's files. */
    Path snapshot() {
        return snapshot(model);
    }

    private Path snapshot(HubModel atCommit) {
        return settings.hubCache()
                .resolve(folder(atCommit))
                .resolve("snapshots")
                .resolve(atCommit.revisionOrMain());
    }

    private Listing listing(HubModel asked) throws IOException {
        if (asked.commit().isPresent()) {
            Optional<Listing> recorded = recorded(asked.commit().get());
            if (recorded.isPresent()) {
                return recorded.get();
            }
        }
        if (settings.offline()) {
            return offline(asked);
        }
        AtomicReference<byte[]> list = new AtomicReference<>();
        attempts.run(asked.toString(), () -> 0, () -> list.set(client.list(asked)));
        Listing listing = parsed(list.get());
        keep(record(listing.commit()), list.get());
        keep(record(asked.revisionOrMain()), list.get());
        return listing;
    }

    private Listing parsed(byte[] json) {
        JsonNode root;
        try {
            root = JSON.readTree(json);
        } catch (IOException e) {
            throw noList();
        }
        String commit = root.path("sha").asText();
        if (!commit.matches("[0-9a-f]{40}") || !root.path("siblings").isArray()) {
            throw noList();
        }
        List<HubFile> all = new ArrayList<>();
        for (JsonNode file : root.path("siblings")) {
            JsonNode size = file.path("lfs").has("size") ? file.path("lfs").path("size") : file.path("size");
            String path = file.path("rfilename").asText();
            if (path.isEmpty() || !size.canConvertToLong() || size.asLong() < 0) {
                throw noList();
            }
            all.add(new HubFile(path, size.asLong(), hash(file)));
        }
        return new Listing(commit, all);
    }

    private Optional<HubFile.Hash> hash(JsonNode file) {
        String large = file.path("lfs").path("sha256").asText();
        if (large.matches("[0-9a-f]{64}")) {
            return Optional.of(new HubFile.Hash(HubFile.Hash.SHA_256, large));
        }
        String small = file.path("blobId").asText();
        if (!file.path("lfs").isObject() && small.matches("[0-9a-f]{40}")) {
            return Optional.of(new HubFile.Hash(HubFile.Hash.GIT_SHA_1, small));
        }
        throw noList();
    }

    private ModelException noList() {
        return new ModelException(settings.endpoint()
                + " does not answer as the Hugging Face Hub does, with files, sizes and hashes: check HF_ENDPOINT");
    }

    /** The list of files that the Hub gave for that revision. */
    private Optional<Listing> recorded(String revision) throws IOException {
        Path file = record(revision);
        return Files.exists(file) ? Optional.of(parsed(Files.readAllBytes(file))) : Optional.empty();
    }

    private Path record(String revision) {
        return records.resolve(HubModel.encoded(revision) + ".json");
    }

    private void keep(Path file, byte[] bytes) {
        try {
            Files.createDirectories(records);
            Path whole = Files.createTempFile(records, "kept", ".part");
            Files.write(whole, bytes);
            Files.move(whole, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            attempts.progress().accept("what the Hub says cannot be kept in " + records + ": " + RootCause.sentence(e));
        }
    }

    private Listing offline(HubModel asked) throws IOException {
        Path cache = settings.hubCache().resolve(folder(asked));
        Path reference = cache.resolve("refs").resolve(asked.revisionOrMain()).normalize();
        Optional<String> commit = asked.commit();
        if (commit.isEmpty() && reference.startsWith(cache) && Files.isRegularFile(reference)) {
            commit = Optional.of(Files.readString(reference).strip());
        }
        if (commit.isPresent() && commit.get().matches("[0-9a-f]{40}")) {
            Path snapshot = snapshot(asked.at(commit.get(), Optional.empty()));
            if (Files.isDirectory(snapshot)) {
                return new Listing(commit.get(), filesIn(snapshot));
            }
        }
        return recorded(asked.revisionOrMain())
                .orElseThrow(() -> new ModelException("HF_HUB_OFFLINE is set, and " + asked + " is neither in " + cache
                        + " nor in " + records + ": fetch it before, or unset HF_HUB_OFFLINE"));
    }

    private static List<HubFile> filesIn(Path snapshot) throws IOException {
        try (Stream<Path> all = Files.walk(snapshot, FileVisitOption.FOLLOW_LINKS)) {
            List<HubFile> files = new ArrayList<>();
            for (Path file : all.filter(Files::isRegularFile).sorted().toList()) {
                files.add(new HubFile(snapshot.relativize(file).toString(), Files.size(file), Optional.empty()));
            }
            return files;
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /** A small file, which is kept beside the list, so that whoever comes next need not ask for it. */
    private byte[] bytes(HubModel atCommit, HubFile file) throws IOException {
        Path kept = records.resolve(atCommit.revisionOrMain() + "." + file.name());
        for (Path here : List.of(snapshot(atCommit).resolve(file.path()), kept)) {
            if (Files.isRegularFile(here) && Files.size(here) == file.size()) {
                read.put(file.path(), Files.readAllBytes(here));
                return read.get(file.path());
            }
        }
        attempts.run(file.path(), () -> 0, () -> {
            try (InputStream in = fetched(atCommit, file.path(), 0, -1)) {
                byte[] bytes = in.readNBytes((int) Math.min(file.size() + 1, MOST_BYTES));
                if (bytes.length != file.size()) {
                    throw new IOException("got " + bytes.length + " of " + file.size() + " bytes");
                }
                read.put(file.path(), bytes);
            }
        });
        keep(kept, read.get(file.path()));
        return read.get(file.path());
    }

    /**
     * The bytes of a file from the first one.
     *
     * @param last the last one wanted; negative for all to the end
     */
    InputStream open(String path, long first, long last) throws IOException {
        byte[] known = read.get(path);
        if (known != null) {
            return new ByteArrayInputStream(known, (int) first, known.length);
        }
        return fetched(model, path, first, last);
    }

    private InputStream fetched(HubModel atCommit, String path, long first, long last) throws IOException {
        if (settings.offline()) {
            throw new ModelException("HF_HUB_OFFLINE is set, and " + path + " of the model is neither in "
                    + snapshot(atCommit) + " nor in --model-cache: fetch it before, or unset HF_HUB_OFFLINE");
        }
        return client.open(atCommit, path, first, last);
    }
}
