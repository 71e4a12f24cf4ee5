package io.github.sparkmixtral.job.model;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.job.fault.RootCause;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** Tells by few reads whether a model is the one of before: names, sizes, headers and sampled bytes of its files. */
public final class ModelDigest {
    private static final int SAMPLES = 8;

    private ModelDigest() {}

    /**
     * SHA-256 as hexadecimal digits.
     *
     * @param model path or URI
     * @throws ModelException where it cannot be read
     */
    public static String of(String model, Configuration configuration) {
        if (HubModel.isExplicit(model)) {
            return ofHub(HubModel.parse(model));
        }
        try {
            Path path = ModelCache.isLocal(model)
                    ? new Path(ModelCache.requireLocal(model).toAbsolutePath().toUri())
                    : new Path(model);
            FileSystem fileSystem = path.getFileSystem(configuration);
            List<FileStatus> files = ModelSource.find(fileSystem, path, model).files();
            MessageDigest digest = ModelCache.sha256();
            for (FileStatus file : files) {
                // A file that was moved or renamed is the same model.
                String name = files.size() == 1 ? "" : file.getPath().getName();
                String part = name
                        + ' '
                        + file.getLen()
                        + ' '
                        + FileDigest.of(file, file.getLen(), SAMPLES, configuration)
                        + '\n';
                digest.update(part.getBytes(StandardCharsets.UTF_8));
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (IOException | IllegalArgumentException e) {
            throw new ModelException("the model " + model + " cannot be read: " + RootCause.sentence(e), e);
        }
    }

    /** A commit is a digest of all that it holds, so that no byte has to be read. */
    private static String ofHub(HubModel model) {
        String commit = model.commit().orElseThrow(() -> new IllegalArgumentException(model + " names no commit"));
        String file = model.file().map(path -> " " + path).orElse("");
        return ofText(commit + file);
    }

    /** SHA-256 of a text, as hexadecimal digits. */
    public static String ofText(String text) {
        return HexFormat.of().formatHex(ModelCache.sha256().digest(text.getBytes(StandardCharsets.UTF_8)));
    }
}
