package io.github.sparkmixtral.job.model;

import io.github.sparkmixtral.chat.ChatTemplates;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.ModelOutline;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;

/**
 * Describes a remote model without its weights. For as long as that takes, a temporary directory holds what the model's does, but
 * of the weights' files no more than the heads.
 */
record ModelHeads(ModelSource model, Attempts attempts) {

    /**
     * What the model's headers say, down to its tensors.
     *
     * @throws ModelException where they cannot be read, naming the file at its source
     */
    ModelOutline outline() throws IOException {
        Path directory = Files.createTempDirectory("spark-mixtral-heads");
        String source = Redaction.redact(model.parent().toString());
        try {
            for (FileStatus file : model.files()) {
                bring(file, directory.resolve(file.getPath().getName()));
            }
            ModelOutline outline = ModelLoader.outline(model.in(directory));
            ChatTemplates templates = outline.chatTemplates();
            return outline.named(
                    outline.name().replace(directory.toString(), source),
                    templates.from(templates.source().replace(directory.toString(), source)));
        } catch (ModelException e) {
            throw new ModelException(e.getMessage().replace(directory.toString(), source), e);
        } finally {
            delete(directory);
        }
    }

    private void bring(FileStatus file, Path target) throws IOException {
        WeightsHead head = new WeightsHead(model.fileSystem(), file, target);
        attempts.run(head.shown(), () -> 0, () -> {
            if (model.isWeights(file)) {
                head.read();
            } else {
                copy(file, target);
            }
        });
    }

    private void copy(FileStatus file, Path target) throws IOException {
        Files.deleteIfExists(target);
        try (FSDataInputStream in = model.fileSystem().open(file.getPath())) {
            Files.copy(in, target);
        }
    }

    private void delete(Path directory) throws IOException {
        for (FileStatus file : model.files()) {
            Files.deleteIfExists(directory.resolve(file.getPath().getName()));
        }
        Files.delete(directory);
    }
}
