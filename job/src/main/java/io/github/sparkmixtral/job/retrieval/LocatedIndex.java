package io.github.sparkmixtral.job.retrieval;

import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.job.fault.RootCause;
import io.github.sparkmixtral.job.model.ModelCache;
import io.github.sparkmixtral.job.retrieval.IndexDescriptor.Part;
import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Path;
import java.util.List;

/**
 * An index that is whole, as executors are told of it.
 *
 * @param location URI of its directory
 */
public record LocatedIndex(String location, IndexDescriptor descriptor) implements Serializable {

    /**
     * Opens it for searches, which threads may share. Its parts are fetched first, if they are not on this host, and kept there.
     *
     * @param models this host's cache, in which the parts are kept
     */
    public ContextIndex open(ModelCache models) {
        List<String> names = descriptor.parts().stream().map(Part::name).toList();
        Path here = ModelCache.isLocal(location)
                ? Path.of(new org.apache.hadoop.fs.Path(location).toUri().getPath())
                : models.files(location, names, "index-" + descriptor.uniqueName());
        try {
            return new ContextIndex(names.stream().map(here::resolve).toList(), descriptor.language());
        } catch (IOException e) {
            throw new JobException(
                    ExitCode.FAILED,
                    "the index " + Redaction.redact(location) + " cannot be opened: " + RootCause.sentence(e)
                            + "; build it again with spark-mixtral index --output-mode overwrite",
                    e);
        }
    }
}
