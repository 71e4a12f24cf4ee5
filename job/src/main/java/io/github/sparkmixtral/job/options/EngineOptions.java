package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.engine.Activations;
import picocli.CommandLine.Option;

/** The sizes of an engine: options as they are written. */
public final class EngineOptions {
    @Option(
            names = "--backend",
            paramLabel = "NAME",
            defaultValue = "auto",
            description = "auto takes the best that is available; cpu runs anywhere.")
    String backend;

    @Option(
            names = "--activations",
            paramLabel = "auto|f32|int16",
            defaultValue = "auto",
            description =
                    "What the cpu backend multiplies quantized weights by: floats, or integers of 16 bits with a scale for"
                            + " every 32, which is faster; auto takes int16 if the processor has instructions for it (AVX-512 VNNI).")
    Activations activations;

    @Option(
            names = "--max-num-seqs",
            paramLabel = "N",
            defaultValue = "64",
            description = "Most sequences in one step of an executor's engine.")
    int maxNumSeqs;

    @Option(
            names = "--max-num-batched-tokens",
            paramLabel = "N",
            defaultValue = "2048",
            description = "Most tokens in one step.")
    int maxNumBatchedTokens;

    @Option(
            names = "--kv-cache-memory",
            paramLabel = "SIZE|auto",
            defaultValue = "auto",
            converter = OptionValues.SizeOrAuto.class,
            description = "Memory for keys and values, such as 512m or 4g.")
    long kvCacheMemory;

    @Option(
            names = "--max-model-len",
            paramLabel = "N|auto",
            defaultValue = "auto",
            converter = OptionValues.CountOrAuto.class,
            description = "Longest prompt and answer together, in tokens; auto is the model's own limit.")
    int maxModelLen;

    @Option(
            names = "--num-threads",
            paramLabel = "N|auto",
            defaultValue = "auto",
            converter = OptionValues.CountOrAuto.class,
            description = "Threads of the cpu backend of each executor; auto takes as many as its JVM sees processors.")
    int numThreads;
}
