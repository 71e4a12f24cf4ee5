package io.github.sparkmixtral.job.retrieval;

import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.job.fault.RootCause;
import io.github.sparkmixtral.job.model.FileBytes;
import io.github.sparkmixtral.job.model.ModelDigest;
import io.github.sparkmixtral.job.options.ContextMode;
import io.github.sparkmixtral.job.options.ContextRetrieval;
import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.job.options.Uris;
import io.github.sparkmixtral.job.output.ChunkPublisher;
import io.github.sparkmixtral.job.retrieval.IndexDescriptor.Part;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * Where an index lies: its parts, and the descriptor, which names those that count. An index that is built again writes other parts
 * beside the old ones, and the descriptor changes from these to those at once.
 *
 * @param location path or URI
 */
public record IndexDirectory(String location, Configuration configuration) {
    private static final String PART_NAME = "\\.?part-\\d{5}-[0-9a-f-]+\\.tar.*";

    /** How a message asks for an index that cannot be used. */
    private static final String BUILD = "build it with spark-mixtral index";

    /**
     * The descriptor of an index that is whole.
     *
     * @throws JobException with exit code 2 where there is none, or it cannot be used
     */
    public IndexDescriptor require() {
        try {
            IndexDescriptor descriptor = read();
            if (descriptor == null) {
                throw unusable(missing());
            }
            if (descriptor.chunks() == 0) {
                throw unusable("is empty: no document had a text");
            }
            requireParts(descriptor);
            return descriptor;
        } catch (IndexDescriptor.UnreadableException e) {
            throw unusable("has an " + IndexDescriptor.FILE + " that " + e.getMessage() + ": " + BUILD
                    + " --output-mode overwrite");
        } catch (IOException | IllegalArgumentException e) {
            throw new JobException(
                    ExitCode.USAGE,
                    "the index " + shown() + " cannot be read: " + Redaction.redact(RootCause.sentence(e)),
                    e);
        }
    }

    /**
     * The index that passages are taken from.
     *
     * @return null where none are
     * @throws JobException with exit code 2 where it cannot be used, or its vectors are of another model
     */
    public static LocatedIndex requireFor(GenerationOptions options, Configuration configuration) {
        ContextRetrieval retrieval = options.columns().context();
        if (retrieval == null) {
            return null;
        }
        IndexDirectory directory = new IndexDirectory(retrieval.index(), configuration);
        IndexDescriptor descriptor = directory.require();
        if (retrieval.mode().needsVectors()) {
            directory.requireVectors(descriptor.vectors(), options.engine().model(), retrieval.mode());
        }
        return new LocatedIndex(directory.uri(), descriptor);
    }

    private void requireVectors(IndexDescriptor.Vectors vectors, String model, ContextMode mode) {
        String words = "or search by words with --context-mode bm25";
        if (vectors == null) {
            throw unusable("has no vectors, which --context-mode " + OptionValues.text(mode)
                    + " needs: build it with --model, " + words);
        }
        if (!vectors.model().equals(ModelDigest.of(model, configuration))) {
            throw unusable("has vectors of another model (" + vectors.modelName()
                    + "), with which embeddings of --model have nothing in common: build an index with this model, "
                    + words);
        }
    }

    private JobException unusable(String reason) {
        return JobException.usage("the index " + shown() + " " + reason);
    }

    private String missing() throws IOException {
        List<FileStatus> files = files();
        if (files == null) {
            return "does not exist: " + BUILD;
        }
        boolean begun = files.stream().anyMatch(file -> file.getPath().getName().matches(PART_NAME));
        return begun
                ? "is incomplete, for whatever built it was broken off: run the same command again"
                : "is none, for it has no " + IndexDescriptor.FILE + ": " + BUILD;
    }

    /** Refuses an index that lacks a part. */
    void requireParts(IndexDescriptor descriptor) throws IOException {
        Map<String, Long> sizes = new HashMap<>();
        List<FileStatus> files = files();
        if (files != null) {
            files.forEach(file -> sizes.put(file.getPath().getName(), file.getLen()));
        }
        for (Part part : descriptor.parts()) {
            Long size = sizes.get(part.name());
            if (size == null || size != part.bytes()) {
                throw unusable("is damaged: " + part.name()
                        + (size == null ? " is missing" : " has " + size + " bytes instead of " + part.bytes()) + "; "
                        + BUILD + " --output-mode overwrite");
            }
        }
    }

    /** The descriptor; empty where there is nothing, or what a build that was broken off has left. */
    Optional<IndexDescriptor> existing() throws IOException {
        try {
            return Optional.ofNullable(read());
        } catch (IndexDescriptor.UnreadableException e) {
            throw exists("has an " + IndexDescriptor.FILE + " that " + e.getMessage()
                    + ": give another directory, or replace it with --output-mode overwrite");
        }
    }

    private IndexDescriptor read() throws IOException {
        Path file = new Path(path(), IndexDescriptor.FILE);
        FileSystem fileSystem = file.getFileSystem(configuration);
        return fileSystem.exists(file) ? IndexDescriptor.of(FileBytes.of(fileSystem, file)) : null;
    }

    /**
     * Refuses a directory that is no index and not empty.
     *
     * @throws JobException with exit code 6
     */
    void requireOwn() throws IOException {
        List<FileStatus> files = files();
        if (files != null) {
            for (FileStatus file : files) {
                String name = file.getPath().getName();
                if (!name.matches(PART_NAME) && !name.equals(IndexDescriptor.FILE) && !name.endsWith(".crc")) {
                    throw exists("exists and is no index, for it holds " + name + ": give another directory");
                }
            }
        }
    }

    JobException exists(String state) {
        return new JobException(ExitCode.OUTPUT_EXISTS, "the index " + shown() + " " + state);
    }

    /** Refuses an index in which documents lie. */
    void requireOutside(List<FileStatus> documents) throws IOException {
        String own = Uris.normalized(path().toUri().toString()) + "/";
        for (FileStatus document : documents) {
            if (Uris.normalized(document.getPath().toUri().toString()).startsWith(own)) {
                throw JobException.usage("the index " + shown() + " holds the document "
                        + document.getPath().getName() + ": give another directory");
            }
        }
    }

    /** Publishes a part. */
    void publish(java.nio.file.Path local, String name) throws IOException {
        new ChunkPublisher(location, configuration).publish(local, name);
    }

    /** Makes the parts that a descriptor names the index, and removes all others. */
    void complete(IndexDescriptor descriptor) throws IOException {
        requireParts(descriptor);
        new ChunkPublisher(location, configuration)
                .publish(descriptor.json().getBytes(StandardCharsets.UTF_8), IndexDescriptor.FILE);
        Set<String> kept =
                new HashSet<>(descriptor.parts().stream().map(Part::name).toList());
        FileSystem fileSystem = path().getFileSystem(configuration);
        for (FileStatus file : files()) {
            String name = file.getPath().getName();
            if (name.matches(PART_NAME) && !kept.contains(name)) {
                fileSystem.delete(file.getPath(), false);
            }
        }
    }

    /** The location with its file system, which is the same wherever it is read. */
    String uri() {
        try {
            return path().toString();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public String shown() {
        return Redaction.redact(location);
    }

    /** Null where there is no such directory. */
    private List<FileStatus> files() throws IOException {
        try {
            return new ArrayList<>(List.of(path().getFileSystem(configuration).listStatus(path())));
        } catch (FileNotFoundException e) {
            return null;
        }
    }

    private Path path() throws IOException {
        Path path = new Path(location);
        return path.getFileSystem(configuration).makeQualified(path);
    }
}
