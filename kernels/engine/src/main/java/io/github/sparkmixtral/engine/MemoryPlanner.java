package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Weights;
import java.util.Optional;

/** Says how a backend shares out memory, before there is a backend: by the rules that {@link BackendProvider#open} follows. */
public interface MemoryPlanner {

    /** Whose memory it is. */
    enum Place {
        /** The machine's, beside the heaps of its processes. */
        HOST,
        /** That of one device, such as a GPU. */
        DEVICE
    }

    /**
     * Memory of some equal places.
     *
     * @param places such as GPUs; of the machine there is one
     * @param bytes that can be shared out in each
     */
    record Memory(int places, long bytes) {}

    Place place();

    /** What can be shared out here; empty if there is no such place. */
    Optional<Memory> here();

    /**
     * Shares out memory.
     *
     * @param weights of which shapes and types are looked at, and no values
     * @param memory of places that are all used
     * @throws io.github.sparkmixtral.file.ModelException where the model does not fit, saying how much is needed and how much there is, or
     *     the backend does not take its shape
     */
    MemoryShares share(ModelConfig config, Weights weights, Memory memory);
}
