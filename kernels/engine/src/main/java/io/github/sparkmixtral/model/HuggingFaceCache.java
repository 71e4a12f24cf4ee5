package io.github.sparkmixtral.model;

import io.github.sparkmixtral.file.ModelException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * The folder {@code models--org--name} of Hugging Face's cache: {@code refs/main} names the commit whose files are links in
 * {@code snapshots/COMMIT}.
 */
public final class HuggingFaceCache {

    private HuggingFaceCache() {}

    /**
     * Where the model's files are.
     *
     * @param model any path
     * @return the snapshot where the path is such a folder, or else the path itself
     * @throws ModelException where it is one of several snapshots, and none that {@code refs/main} names
     */
    public static Path snapshot(Path model) {
        Path snapshots = model.resolve("snapshots");
        if (!Files.isDirectory(snapshots) || !Files.isDirectory(model.resolve("blobs"))) {
            return model;
        }
        Path main = model.resolve("refs").resolve("main");
        try {
            if (Files.isRegularFile(main) && Files.size(main) < 100) {
                Path named = snapshots.resolve(Files.readString(main).strip());
                if (Files.isDirectory(named)) {
                    return named;
                }
            }
        } catch (IOException e) {
            throw new ModelException("%s cannot be read: %s".formatted(main, e.getMessage()), e);
        }
        List<String> names = MappedFiles.names(snapshots);
        if (names.size() != 1) {
            throw new ModelException("%s holds %d snapshots, and refs/main names none of them: name one of %s"
                    .formatted(model, names.size(), snapshots));
        }
        return snapshots.resolve(names.getFirst());
    }
}
