package io.github.sparkmixtral.job.model;

import io.github.sparkmixtral.file.ModelException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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
    private static final Pattern FIRST_PART = Pattern.compile("(.*)-00001(-of-\\d{5}\\.gguf)");

    ModelSource {
        files = List.copyOf(files);
    }

    /**
     * Lists the model's files.
     *
     * @param shown the source as messages name it
     * @throws ModelException where a directory holds none
     * @throws java.io.FileNotFoundException where there is no such file or directory
     */
    static ModelSource find(FileSystem fileSystem, Path source, String shown) throws IOException {
        FileStatus status = fileSystem.getFileStatus(source);
        Matcher firstPart = FIRST_PART.matcher(source.getName());
        List<FileStatus> files;
        if (status.isDirectory()) {
            files = files(fileSystem, source, ModelSource::isPart);
        } else if (firstPart.matches()) {
            Pattern part =
                    Pattern.compile(Pattern.quote(firstPart.group(1)) + "-\\d{5}" + Pattern.quote(firstPart.group(2)));
            files = files(fileSystem, source.getParent(), part.asMatchPredicate());
        } else {
            files = List.of(status);
        }
        if (files.isEmpty()) {
            throw new ModelException("no such model: " + shown + " holds no model files");
        }
        return new ModelSource(fileSystem, source, status.isDirectory(), files);
    }

    private static List<FileStatus> files(FileSystem fileSystem, Path directory, Predicate<String> wanted)
            throws IOException {
        List<FileStatus> files = new ArrayList<>();
        for (FileStatus file : fileSystem.listStatus(directory)) {
            if (file.isFile() && wanted.test(file.getPath().getName())) {
                files.add(file);
            }
        }
        files.sort(Comparator.comparing(file -> file.getPath().getName()));
        return files;
    }

    /** What a Hugging Face directory's model is made of; it may hold other formats' copies of the weights beside. */
    private static boolean isPart(String name) {
        boolean weights = name.endsWith(".safetensors") && !name.startsWith("consolidated");
        return !name.startsWith(".") && (weights || isText(name));
    }

    /** Whether a file of a directory is none of the weights, so that all of it is read at once. */
    private static boolean isText(String name) {
        return name.endsWith(".json") || name.startsWith("tokenizer.") || name.startsWith("chat_template.");
    }

    /** Whether the file holds weights behind a head. */
    boolean isWeights(FileStatus file) {
        return !directory || !isText(file.getPath().getName());
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
