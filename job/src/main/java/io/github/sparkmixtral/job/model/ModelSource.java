package io.github.sparkmixtral.job.model;

import io.github.sparkmixtral.model.ModelFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * A model where it comes from.
 *
 * @param source a directory, or a file; of a model that is split into several, the first
 * @param directory whether the source is one
 * @param files what the model is made of, by name
 */
record ModelSource(FileSystem fileSystem, Path source, boolean directory, List<FileStatus> files) {
    ModelSource {
        files = List.copyOf(files);
    }

    /**
     * Lists the model's files.
     *
     * @param shown the source as messages name it
     * @throws io.github.sparkmixtral.file.ModelException as {@link ModelFiles} says
     * @throws java.io.FileNotFoundException where there is no such file or directory
     */
    static ModelSource find(FileSystem fileSystem, Path source, String shown) throws IOException {
        FileStatus status = fileSystem.getFileStatus(source);
        String name = source.getName();
        Path parent = status.isDirectory() ? source : source.getParent();
        Map<String, FileStatus> listing = new TreeMap<>();
        if (status.isDirectory() || ModelFiles.mayBePart(name)) {
            for (FileStatus file : fileSystem.listStatus(parent)) {
                if (file.isFile()) {
                    listing.put(file.getPath().getName(), file);
                }
            }
        } else {
            listing.put(name, status);
        }
        ModelFiles model = status.isDirectory()
                ? ModelFiles.ofDirectory(shown, listing.keySet())
                : ModelFiles.ofFile(parentOf(shown), name, listing.keySet());
        List<FileStatus> files = model.names().stream().map(listing::get).toList();
        return model.layout() == ModelFiles.Layout.GGUF
                ? new ModelSource(fileSystem, new Path(parent, model.names().getFirst()), false, files)
                : new ModelSource(fileSystem, source, true, files);
    }

    private static String parentOf(String shown) {
        int slash = shown.lastIndexOf('/');
        return slash < 0 ? "." : shown.substring(0, slash);
    }

    /** Whether the file holds weights behind a head; all of any other is read at once. */
    boolean isWeights(FileStatus file) {
        return !directory || file.getPath().getName().endsWith(".safetensors");
    }

    /** A name that no other model has, nor the same one once a file of it has changed. */
    String uniqueName() {
        StringBuilder identity = new StringBuilder(source.toString());
        for (FileStatus file : files) {
            identity.append('\n')
                    .append(file.getPath().getName())
                    .append(' ')
                    .append(file.getLen())
                    .append(' ')
                    .append(file.getModificationTime());
        }
        byte[] digest = ModelCache.sha256().digest(identity.toString().getBytes(StandardCharsets.UTF_8));
        return source.getName() + "-" + HexFormat.of().formatHex(digest, 0, 8);
    }

    /** The directory that the files lie in at their source. */
    Path parent() {
        return directory ? source : source.getParent();
    }

    /** The model's path where its files lie in that directory. */
    java.nio.file.Path in(java.nio.file.Path files) {
        return directory ? files : files.resolve(source.getName());
    }

    /** Whether that directory holds all files in full length. */
    boolean isWholeIn(java.nio.file.Path target) throws IOException {
        for (FileStatus file : files) {
            if (!ModelFile.isWhole(file, target.resolve(file.getPath().getName()))) {
                return false;
            }
        }
        return true;
    }
}
