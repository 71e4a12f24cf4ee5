package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.model.Quantization;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Which model, and how its weights are held: options as they are written. */
public final class ModelOptions {
    @Option(
            names = "--model",
            paramLabel = "PATH|HUB-ID",
            description =
                    "Directory (Hugging Face's layout or Mistral's) or GGUF file of a Mixtral: a local path, a URI that Hadoop opens"
                            + " (hdfs://, s3a://, …), or a model of the Hugging Face Hub, as owner/name[@revision] or"
                            + " hf:owner/name/file.gguf[@revision]; the last two are fetched once per host."
                            + " Required, but for an index without vectors.")
    String model;

    @Option(
            names = "--model-cache",
            paramLabel = "DIR",
            description = "Where fetched models are kept on each host. Nothing in it is ever removed."
                    + " Default: spark-mixtral/models in $XDG_CACHE_HOME or ~/.cache")
    Path modelCache;

    @Option(
            names = "--quantization",
            paramLabel = "none|q8_0|q4_0|nf4",
            defaultValue = "none",
            description = "Quantize the weights of a Hugging Face model on load; none keeps them as they are stored.")
    Quantization quantization;

    /** @throws JobException with exit code 2 if there is no model */
    void requireModel() {
        if (model == null || model.isBlank()) {
            throw JobException.usage(
                    "--model is missing: give a directory, file, URI or Hugging Face Hub model (--help shows every option)");
        }
    }
}
