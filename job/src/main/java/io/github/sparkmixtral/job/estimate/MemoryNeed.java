package io.github.sparkmixtral.job.estimate;

import io.github.sparkmixtral.cpu.KeyValueCacheSize;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.job.inference.ExecutorMemory;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.memory.MemoryLimit;
import io.github.sparkmixtral.model.ModelDescription;
import java.util.Optional;
import org.apache.spark.SparkConf;

/**
 * The memory off the heap that an executor's engine takes on the CPU, in bytes.
 *
 * @param weights of the model
 * @param cache keys and values at their most
 * @param free what the executor that has least may take
 * @param limit on what an executor takes in all; empty where only its host limits it
 * @param refusal why it does not fit, and the way out; empty where it does
 */
public record MemoryNeed(long weights, long cache, long free, Optional<Long> limit, Optional<String> refusal) {

    /**
     * Told as the engine decides it when it is opened, from the heads of the model's files.
     *
     * @param free bytes that an executor may still take
     */
    public static MemoryNeed of(ModelDescription model, EngineIdentity engine, long free, SparkConf conf) {
        MemoryLimit limit = ExecutorMemory.limit(conf);
        Optional<Long> bytes = limit == MemoryLimit.NONE ? Optional.empty() : Optional.of(limit.bytes());
        BackendOptions options = engine.backendOptions(BackendOptions.ANY_DEVICE, limit);
        long weights = model.bytes();
        try {
            long allowed = limit.leftBeside(weights + options.kvCacheBytes()) + options.kvCacheBytes();
            long left = Math.min(allowed, Math.max(0, free - weights));
            long cache = KeyValueCacheSize.bytes(model.config(), options, left);
            return new MemoryNeed(weights, cache, free, bytes, Optional.empty());
        } catch (ModelException e) {
            return new MemoryNeed(weights, options.kvCacheBytes(), free, bytes, Optional.of(e.getMessage()));
        }
    }
}
