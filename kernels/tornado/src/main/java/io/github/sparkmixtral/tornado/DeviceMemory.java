package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.MemoryPlanner;
import io.github.sparkmixtral.engine.MemoryShares;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Weights;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import uk.ac.manchester.tornado.api.common.TornadoDevice;

/**
 * How devices' memory is shared out, of devices that are there or of others.
 *
 * @param unavailable why there is none here; empty if there is one
 */
record DeviceMemory(BackendOptions options, Optional<String> unavailable) implements MemoryPlanner {

    @Override
    public Place place() {
        return Place.DEVICE;
    }

    @Override
    public Optional<Memory> here() {
        if (unavailable.isPresent()) {
            return Optional.empty();
        }
        List<TornadoDevice> devices = Devices.chosen(options);
        return Optional.of(
                new Memory(devices.size(), Devices.space(devices.getFirst()).bytes()));
    }

    /** For devices with tensor cores, which take the larger workspace. */
    @Override
    public MemoryShares share(ModelConfig config, Weights weights, Memory memory) {
        MemoryPlan.Space space = new MemoryPlan.Space("such a GPU", memory.bytes());
        return MemoryPlan.of(config, weights, options, Collections.nCopies(memory.places(), space), true)
                .together();
    }
}
