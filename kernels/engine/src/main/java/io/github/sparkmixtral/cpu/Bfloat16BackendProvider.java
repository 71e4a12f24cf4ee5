package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.engine.Activations;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.engine.MemoryPlanner;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.Model;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * The CPU backend with products in bfloat16 by a native library: faster where many rows go together, less exact. It is only taken
 * when asked for.
 */
public final class Bfloat16BackendProvider implements BackendProvider {

    private static final Path PROCESSORS = Path.of("/proc/cpuinfo");

    @Override
    public String name() {
        return "cpu-bf16";
    }

    /** Below every other one's. */
    @Override
    public int rank() {
        return -1;
    }

    @Override
    public Optional<String> unavailable() {
        String system = System.getProperty("os.name") + " " + System.getProperty("os.arch");
        if (!system.equals("Linux amd64")) {
            return Optional.of("it needs Linux on x86-64, not " + system);
        }
        if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
            return Optional.of("it needs the JVM option --add-modules jdk.incubator.vector");
        }
        if (getClass().getResource(OneDnn.DIRECTORY + OneDnn.LIBRARY) == null) {
            return Optional.of("it needs the jar " + OneDnn.ARTIFACT + " on the class path");
        }
        if (!multipliesBfloat16()) {
            return Optional.of("it needs a processor with avx512_bf16");
        }
        return Optional.empty();
    }

    private static boolean multipliesBfloat16() {
        try {
            return Files.readString(PROCESSORS).contains(" avx512_bf16");
        } catch (IOException e) {
            return false;
        }
    }

    @Override
    public Optional<MemoryPlanner> memory(BackendOptions options) {
        return Optional.of(new CpuMemory(options, Packing.BFLOAT16));
    }

    @Override
    public Backend open(Model model, BackendOptions options) {
        options.activations().requireOneOf(name(), Activations.AUTO);
        Kernels kernels;
        try {
            kernels = Kernels.of(Kernels.Kind.BFLOAT16);
        } catch (IllegalStateException e) {
            throw new ModelException("the backend " + name() + " cannot be used here: " + e.getMessage(), e);
        }
        return new CpuBackend(name(), model, options, kernels);
    }
}
