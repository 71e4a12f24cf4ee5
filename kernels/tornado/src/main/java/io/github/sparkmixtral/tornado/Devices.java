package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.file.ModelException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import uk.ac.manchester.tornado.api.TornadoBackend;
import uk.ac.manchester.tornado.api.TornadoRuntime;
import uk.ac.manchester.tornado.api.TornadoTargetDevice;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;
import uk.ac.manchester.tornado.api.runtime.TornadoRuntimeProvider;

/** The devices that TornadoVM finds, asked for once: GPUs first, and of the ways to reach one CUDA before OpenCL. */
final class Devices {

    /**
     * What TornadoVM reads as it starts, where the user has not set it: it would stop at 4 GB, while the backend plans how much of the
     * device is used; it would take graphs of a fifth of the layers; and it would fill 128 KiB for each of a graph's calls and
     * arrays whenever the graph runs, for dependencies that it does not track unless it is told to.
     */
    private static final Map<String, String> SETTINGS = Map.of(
            "tornado.device.memory", "1024GB",
            "tornado.tvm.maxbytecodesize", "65536",
            "tornado.max.events", "64");

    private static final String TENSOR_CORES = "spark-mixtral.tensorCores";

    private static final Pattern COMPUTE_CAPABILITY = Pattern.compile("Device version *: CUDA ([0-9]{1,3})\\.[0-9]");

    private static final Found FOUND = withSystemLoader(Devices::find);

    /** Devices in the order in which they are chosen, or why there are none. */
    private record Found(List<TornadoDevice> devices, Optional<String> unavailable) {}

    private Devices() {}

    static Optional<String> unavailable() {
        return FOUND.unavailable();
    }

    static boolean chosenIsGpu() {
        return isGpu(FOUND.devices().getFirst());
    }

    /**
     * The devices for a backend: those that the options name, or else all that are of the kind of the first and reached in the same way.
     *
     * @throws ModelException where the options name one that is not there
     */
    static List<TornadoDevice> chosen(BackendOptions options) {
        TornadoDevice first = FOUND.devices().getFirst();
        List<TornadoDevice> alike = FOUND.devices().stream()
                .filter(device ->
                        device.getTornadoVMBackend() == first.getTornadoVMBackend() && isGpu(device) == isGpu(first))
                .toList();
        return options.devices().isEmpty()
                ? alike
                : options.devices().stream().map(index -> device(index, alike)).toList();
    }

    private static TornadoDevice device(int index, List<TornadoDevice> devices) {
        if (index < 0 || index >= devices.size()) {
            throw new ModelException("there is no device " + index + "; TornadoVM finds "
                    + devices.stream().map(device -> space(device).device()).toList());
        }
        return devices.get(index);
    }

    static MemoryPlan.Space space(TornadoDevice device) {
        TornadoTargetDevice physical = device.getPhysicalDevice();
        return new MemoryPlan.Space(physical.getDeviceName(), physical.getDeviceGlobalMemorySize());
    }

    private static boolean isGpu(TornadoDevice device) {
        return device.getDeviceType() == TornadoDeviceType.GPU
                || device.getTornadoVMBackend() == TornadoVMBackendType.CUDA;
    }

    /**
     * Whether a device has the tensor cores that {@link TensorCoreKernels} needs, those of compute capability 8 and up (2020),
     * and {@code -Dspark-mixtral.tensorCores=false} does not keep from using them.
     */
    static boolean hasTensorCores(TornadoDevice device) {
        if (device.getTornadoVMBackend() != TornadoVMBackendType.CUDA
                || !Boolean.parseBoolean(System.getProperty(TENSOR_CORES, "true"))) {
            return false;
        }
        return hasTensorCores(device.getPhysicalDevice().getDeviceInfo());
    }

    /** TornadoVM says the compute capability in a text for people only. */
    static boolean hasTensorCores(String deviceInfo) {
        Matcher capability = COMPUTE_CAPABILITY.matcher(deviceInfo);
        return capability.find() && Integer.parseInt(capability.group(1)) >= 8;
    }

    private static Found find() {
        SETTINGS.forEach((name, value) -> {
            if (System.getProperty(name) == null) {
                System.setProperty(name, value);
            }
        });
        try {
            TornadoRuntime runtime = TornadoRuntimeProvider.getTornadoRuntime();
            List<TornadoDevice> devices = new ArrayList<>();
            for (int i = 0; i < runtime.getNumBackends(); i++) {
                TornadoBackend backend = runtime.getBackend(i);
                for (int j = 0; j < backend.getNumDevices(); j++) {
                    devices.add(backend.getDevice(j));
                }
            }
            devices.sort(Comparator.comparing((TornadoDevice device) -> !isGpu(device))
                    .thenComparing(device -> device.getTornadoVMBackend() != TornadoVMBackendType.CUDA));
            return new Found(
                    devices,
                    devices.isEmpty()
                            ? Optional.of("TornadoVM finds no device; install its driver")
                            : Optional.empty());
        } catch (RuntimeException | LinkageError e) {
            return new Found(List.of(), Optional.of("TornadoVM cannot start: " + e));
        }
    }

    /** TornadoVM looks for its drivers through the thread's class loader, and Spark's hides them. */
    static <T> T withSystemLoader(Supplier<T> work) {
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        thread.setContextClassLoader(ClassLoader.getSystemClassLoader());
        try {
            return work.get();
        } finally {
            thread.setContextClassLoader(before);
        }
    }
}
