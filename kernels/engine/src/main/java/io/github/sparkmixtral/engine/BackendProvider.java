package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import java.util.List;
import java.util.Optional;

/** Makes backends of one kind; found by {@link java.util.ServiceLoader}. */
public interface BackendProvider {

    /** What {@code --backend} calls it. */
    String name();

    /** {@code auto} takes the available provider with the highest rank. */
    int rank();

    /** Why it cannot be used here, in one sentence; empty when it can. Checked once, never throws. */
    Optional<String> unavailable();

    /**
     * How many GPUs of a size hold a model of a shape, for each format that fits at all, with a cache for a sequence of usual length.
     * Needs no device, and may be asked of a provider that cannot be used here. Empty for a backend that runs on none.
     */
    default List<DeviceNeed> deviceNeeds(ModelConfig config, BackendOptions options, long deviceBytes) {
        return List.of();
    }

    /**
     * Opens a backend over the model's weights. The model must outlive it.
     *
     * @throws io.github.sparkmixtral.file.ModelException where the model does not fit, saying how much is needed and how much there is
     */
    Backend open(Model model, BackendOptions options);
}
