package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.Activations;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.engine.MemoryPlanner;
import io.github.sparkmixtral.model.Model;
import java.util.List;
import java.util.Optional;
import uk.ac.manchester.tornado.api.common.TornadoDevice;

/**
 * The backend for GPUs, and for whatever else TornadoVM drives. Where the JVM was started without TornadoVM this class loads none of
 * its classes and says what to do.
 */
public final class TornadoBackendProvider implements BackendProvider {

    private static final int ABOVE_CPU = 10;
    private static final int BELOW_CPU = -10;

    @Override
    public String name() {
        return "tornado";
    }

    /** Above the CPU backend on a GPU; below it where TornadoVM's device is a processor, as with PoCL: that is for trying out. */
    @Override
    public int rank() {
        return unavailable().isPresent() || Devices.chosenIsGpu() ? ABOVE_CPU : BELOW_CPU;
    }

    @Override
    public Optional<String> unavailable() {
        if (ModuleLayer.boot().findModule("tornado.api").isEmpty()) {
            return Optional.of(
                    "this JVM was started without TornadoVM; install its SDK for JDK 25, set TORNADOVM_HOME to it and start with job/bin/spark-mixtral, or give the JVM the flags that job/bin/tornadovm-flags prints");
        }
        // TornadoVM reads a kernel's class file through the system's class loader, wherever the class came from.
        if (ClassLoader.getSystemResource(LayerKernels.class.getName().replace('.', '/') + ".class") == null) {
            return Optional.of(
                    "the kernels are not on the class path that this JVM was started with; set spark.driver.extraClassPath and spark.executor.extraClassPath to the job's jar, as job/bin/spark-mixtral does");
        }
        return Devices.unavailable();
    }

    @Override
    public Backend open(Model model, BackendOptions options) {
        options.activations().requireOneOf(name(), Activations.AUTO, Activations.F32);
        return Devices.withSystemLoader(() -> new TornadoBackend(model, options, devices(model, options)));
    }

    /** Those that were given to the engine; if none were, as few of those there are as the model needs. */
    private static List<TornadoDevice> devices(Model model, BackendOptions options) {
        List<TornadoDevice> devices = Devices.chosen(options);
        if (!options.devices().isEmpty()) {
            return devices;
        }
        boolean tensorCores = devices.stream().allMatch(Devices::hasTensorCores);
        List<MemoryPlan.Space> spaces = devices.stream().map(Devices::space).toList();
        return devices.subList(0, MemoryPlan.fewest(model, options, spaces, tensorCores));
    }

    @Override
    public Optional<MemoryPlanner> memory(BackendOptions options) {
        return Optional.of(new DeviceMemory(options, unavailable()));
    }
}
