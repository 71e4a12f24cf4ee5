package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.model.Model;
import java.util.Optional;

/** Makes backends of one kind; found by {@link java.util.ServiceLoader}. */
public interface BackendProvider {

    /** What {@code --backend} calls it. */
    String name();

    /** {@code auto} takes the available provider with the highest rank. */
    int rank();

    /** Why it cannot be used here, in one sentence; empty when it can. Checked once, never throws. */
    Optional<String> unavailable();

    /** How it shares out memory; empty for one that does not plan it. */
    default Optional<MemoryPlanner> memory(BackendOptions options) {
        return Optional.empty();
    }

    /**
     * Opens a backend over the model's weights. The model must outlive it.
     *
     * @throws io.github.sparkmixtral.file.ModelException where the model does not fit, saying how much is needed and how much there is
     */
    Backend open(Model model, BackendOptions options);
}
