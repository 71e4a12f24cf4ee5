package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.MemoryPlanner;
import io.github.sparkmixtral.engine.MemoryShares;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Weights;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * How a device's memory is shared out, of a device that is there or of another one.
 *
 * @param unavailable why there is none here; empty if there is one
 */
record DeviceMemory(BackendOptions options, Optional<String> unavailable) implements MemoryPlanner {

    @Override
    public Place place() {
        return Place.DEVICE;
    }

    @Override
    public OptionalLong here() {
        return unavailable.isPresent()
                ? OptionalLong.empty()
                : OptionalLong.of(Devices.chosen(options).getPhysicalDevice().getDeviceGlobalMemorySize());
    }

    /** For a device with tensor cores, which takes the larger workspace. */
    @Override
    public MemoryShares share(ModelConfig config, Weights weights, long memory) {
        return MemoryPlan.of(config, weights, options, "such a device", memory, true)
                .shares();
    }
}
