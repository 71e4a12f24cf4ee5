package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Weights;
import java.util.OptionalLong;

/** Says how a backend shares out memory, before there is a backend: by the rules that {@link BackendProvider#open} follows. */
public interface MemoryPlanner {

    /** Whose memory it is. */
    enum Place {
        /** The machine's, beside the heaps of its processes. */
        HOST,
        /** That of one device, such as a GPU. */
        DEVICE
    }

    Place place();

    /** Bytes that can be shared out here; empty where there is no such place. */
    OptionalLong here();

    /**
     * Shares out memory.
     *
     * @param weights of which shapes and types are looked at, and no values
     * @param memory bytes that can be shared out, as {@link #here} tells them
     * @throws io.github.sparkmixtral.file.ModelException where the model does not fit, saying how much is needed and how much there is, or
     *     the backend does not take its shape
     */
    MemoryShares share(ModelConfig config, Weights weights, long memory);
}
