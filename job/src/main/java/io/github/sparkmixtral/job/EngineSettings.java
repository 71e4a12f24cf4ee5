package io.github.sparkmixtral.job;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.service.ServiceOptions;
import io.github.sparkmixtral.service.Task;
import java.io.Serializable;

/**
 * What an executor needs to know to start its engine. Two jobs with equal settings can share one.
 *
 * @param modelCache path of the directory for fetched models
 * @param systemPrompt null for none
 */
record EngineSettings(
        String model,
        String modelCache,
        Quantization quantization,
        String backend,
        int maxNumSeqs,
        int maxNumBatchedTokens,
        long kvCacheMemory,
        int numThreads,
        int maxModelLen,
        Task task,
        String systemPrompt,
        SamplingParameters sampling)
        implements Serializable {

    static EngineSettings of(JobOptions options) {
        String model = ModelCache.isLocal(options.model()) && !options.model().startsWith("file:")
                ? java.nio.file.Path.of(options.model()).toAbsolutePath().toString()
                : options.model();
        return new EngineSettings(
                model,
                options.modelCache().toAbsolutePath().toString(),
                options.quantization(),
                options.backend(),
                options.maxNumSeqs(),
                options.maxNumBatchedTokens(),
                options.kvCacheMemory(),
                options.numThreads(),
                options.maxModelLen(),
                options.task(),
                options.systemPrompt().orElse(null),
                options.sampling());
    }

    /** With the device that this executor was given. */
    BackendOptions backendOptions(int device) {
        return new BackendOptions(maxNumSeqs, maxNumBatchedTokens, kvCacheMemory, numThreads, device);
    }

    /** As many requests wait as run, so that the engine never starves between two reads of a task. */
    ServiceOptions serviceOptions() {
        return new ServiceOptions(task, systemPrompt, sampling, maxModelLen, maxNumSeqs);
    }

    /** Rows that one task holds: those that run, those that wait, and those that are answered and not yet read. */
    int rowsInFlight() {
        return 3 * maxNumSeqs;
    }
}
