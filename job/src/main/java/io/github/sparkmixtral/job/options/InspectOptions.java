package io.github.sparkmixtral.job.options;

import java.util.Optional;

/**
 * What of a model is told, checked and resolved.
 *
 * @param engine that is to run it; without quantization all of them are looked at
 * @param memory free bytes of the machine; empty for this one's
 * @param gpus empty for those that are here
 * @param json whether it is told in JSON
 * @param verbose whether stack traces are shown
 */
public record InspectOptions(
        EngineIdentity engine, Optional<Long> memory, Optional<Gpus> gpus, boolean json, boolean verbose) {

    /**
     * GPUs of one kind.
     *
     * @param bytes of memory of each
     */
    public record Gpus(int count, long bytes) {}
}
