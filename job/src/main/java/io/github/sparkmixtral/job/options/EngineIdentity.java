package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.engine.Activations;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.model.ModelCache;
import io.github.sparkmixtral.memory.MemoryLimit;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.service.ServiceOptions;
import java.io.Serializable;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.apache.hadoop.conf.Configuration;

/**
 * What makes an engine another engine. Jobs whose identities are equal share one in each executor, whatever they lay under their
 * rows.
 *
 * @param model path or URI; a local path is absolute, a model of the Hugging Face Hub {@code hf://owner/name@revision/file}
 * @param modelCache path of the directory for fetched models
 * @param kvCacheMemory bytes; 0 lets the backend choose
 * @param numThreads threads of the CPU backend; 0 lets it choose
 * @param maxModelLen longest sequence in tokens; 0 for the model's own limit
 */
public record EngineIdentity(
        String model,
        String modelCache,
        Quantization quantization,
        String backend,
        Activations activations,
        int maxNumSeqs,
        int maxNumBatchedTokens,
        long kvCacheMemory,
        int numThreads,
        int maxModelLen)
        implements Serializable {

    /**
     * Checks and resolves.
     *
     * @throws JobException with exit code 2 and one sentence for the first fault
     */
    static EngineIdentity of(ModelOptions model, EngineOptions engine) {
        if (!Backends.names().contains(engine.backend)) {
            throw JobException.usage(
                    "--backend must be one of " + String.join(", ", Backends.names()) + ", not " + engine.backend);
        }
        OptionValues.requireAtLeast(1, "--max-num-seqs", engine.maxNumSeqs);
        OptionValues.requireAtLeast(1, "--max-num-batched-tokens", engine.maxNumBatchedTokens);
        Path cache = model.modelCache == null ? ModelCache.defaultDirectory() : model.modelCache;
        return new EngineIdentity(
                ModelCache.located(model.model),
                cache.toAbsolutePath().toString(),
                model.quantization,
                engine.backend,
                engine.activations,
                engine.maxNumSeqs,
                engine.maxNumBatchedTokens,
                engine.kvCacheMemory,
                engine.numThreads,
                engine.maxModelLen);
    }

    /** This host's cache of models. */
    public ModelCache models(Configuration configuration, Consumer<String> progress) {
        return new ModelCache(Path.of(modelCache), configuration, progress);
    }

    /** The same engine for the model as it stays; see {@link ModelCache#pinned}. */
    public EngineIdentity pinned(Configuration configuration, Consumer<String> progress) {
        return withModel(models(configuration, progress).pinned(model));
    }

    /** The same with a model by another name. */
    public EngineIdentity withModel(String other) {
        return new EngineIdentity(
                other,
                modelCache,
                quantization,
                backend,
                activations,
                maxNumSeqs,
                maxNumBatchedTokens,
                kvCacheMemory,
                numThreads,
                maxModelLen);
    }

    /** @throws JobException with exit code 2 if {@link #maxModelLen} is more than the model takes */
    public void requireLength(ModelConfig model) {
        if (maxModelLen > model.maxPositions()) {
            throw JobException.usage("--max-model-len must be at most " + model.maxPositions()
                    + ", the model's own limit, not " + maxModelLen);
        }
    }

    /** The name that the column {@code model} has: that of the file, directory or repository. */
    public String modelName() {
        String path = ModelCache.withoutRevision(model).replaceAll("/+$", "");
        return path.substring(path.lastIndexOf('/') + 1);
    }

    /** With the devices that this executor was given, and the memory that it may take. */
    public BackendOptions backendOptions(List<Integer> devices, MemoryLimit memoryLimit) {
        return new BackendOptions(
                maxNumSeqs,
                maxNumBatchedTokens,
                kvCacheMemory,
                numThreads,
                maxModelLen,
                devices,
                activations,
                memoryLimit);
    }

    /** As many requests wait as run, so that the engine never starves between two reads of a task. */
    public ServiceOptions serviceOptions() {
        return new ServiceOptions(maxModelLen, maxNumSeqs);
    }

    /** Rows that one task holds unanswered: those that run, those that wait, and those that are answered and not yet read. */
    public int rowsInFlight() {
        return 3 * maxNumSeqs;
    }

    /** Rows that one task holds: answered ones wait for a slow one before them, so that rows come out in the order of the input. */
    public int rowsHeld() {
        return 16 * maxNumSeqs;
    }
}
