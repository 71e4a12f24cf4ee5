package io.github.sparkmixtral.job.estimate;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.engine.MemoryPlanner;
import io.github.sparkmixtral.engine.MemoryPlanner.Memory;
import io.github.sparkmixtral.engine.MemoryShares;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.memory.MemoryLimit;
import io.github.sparkmixtral.model.ModelOutline;
import java.io.Serializable;
import java.util.Optional;

/**
 * The memory that the engine takes in this process, in bytes, told by the planner of the backend that will be opened.
 *
 * @param backend name
 * @param shared whether there is a plan; if not, the sizes are 0
 * @param weights as the backend holds them
 * @param workspace of what a step reads and writes besides
 * @param cache of keys and values, at its most
 * @param cacheTokens that it holds
 * @param free what can be shared out
 * @param refusal why the model does not fit, or no backend is there; empty where it does
 */
public record EngineMemory(
        String backend,
        boolean shared,
        long weights,
        long workspace,
        long cache,
        long cacheTokens,
        long free,
        String refusal)
        implements Serializable {

    static EngineMemory here(ModelOutline model, EngineIdentity engine, MemoryLimit limit) {
        BackendProvider provider;
        try {
            provider = Backends.find(engine.backend());
        } catch (IllegalStateException unusable) {
            return refused(engine.backend(), 0, unusable.getMessage());
        }
        Optional<MemoryPlanner> planner = provider.memory(engine.backendOptions(BackendOptions.ANY_DEVICES, limit));
        Optional<Memory> memory = planner.flatMap(MemoryPlanner::here);
        return memory.isEmpty()
                ? refused(provider.name(), 0, "")
                : of(provider.name(), planner.get(), model, engine, memory.get());
    }

    static EngineMemory of(
            String backend, MemoryPlanner planner, ModelOutline model, EngineIdentity engine, Memory memory) {
        long free = memory.places() * memory.bytes();
        try {
            MemoryShares shares = planner.share(model.config(), model.weights(engine.quantization()), memory);
            return new EngineMemory(
                    backend,
                    true,
                    shares.weights(),
                    shares.workspace(),
                    shares.blocks() * shares.blockBytes(),
                    shares.blocks() * BackendOptions.BLOCK_SIZE,
                    free,
                    "");
        } catch (ModelException tooLittle) {
            return refused(backend, free, tooLittle.getMessage());
        }
    }

    private static EngineMemory refused(String backend, long free, String refusal) {
        return new EngineMemory(backend, false, 0, 0, 0, 0, free, refusal);
    }

    public long bytes() {
        return weights + workspace + cache;
    }

    /** The one of two that has more to worry about. */
    EngineMemory worse(EngineMemory other) {
        if (refusal.isEmpty() != other.refusal.isEmpty()) {
            return refusal.isEmpty() ? other : this;
        }
        return free <= other.free ? this : other;
    }
}
