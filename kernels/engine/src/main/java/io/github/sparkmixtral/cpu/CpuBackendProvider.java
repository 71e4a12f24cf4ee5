package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.cpu.Kernels.Kind;
import io.github.sparkmixtral.cpu.jit.NativeCode;
import io.github.sparkmixtral.engine.Activations;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.engine.MemoryPlanner;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.Model;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The backend that runs everywhere: in machine code of its own if the processor and the system allow that, else on the JDK's Vector API, or
 * in plain Java if the JVM was started without it. With the same activations, the bits of an answer are the same with the first two.
 */
public final class CpuBackendProvider implements BackendProvider {

    private static final Logger LOG = LoggerFactory.getLogger(CpuBackendProvider.class);
    private static final AtomicBoolean WARNED = new AtomicBoolean();

    /** System property that names the kernels to take. */
    private static final String PROPERTY = "spark-mixtral.kernels";

    private static final String MODULE = "--add-modules jdk.incubator.vector";

    private static final SortedMap<String, Kind> CHOICES =
            new TreeMap<>(Map.of("scalar", Kind.SCALAR, "vector", Kind.VECTOR, "native-code", Kind.NATIVE_CODE));

    @Override
    public String name() {
        return "cpu";
    }

    @Override
    public int rank() {
        return 0;
    }

    @Override
    public Optional<String> unavailable() {
        return Optional.empty();
    }

    @Override
    public Optional<MemoryPlanner> memory(BackendOptions options) {
        return Optional.of(new CpuMemory(options, kernels(options).packing()));
    }

    @Override
    public Backend open(Model model, BackendOptions options) {
        return new CpuBackend(name(), model, options, kernels(options));
    }

    private static Kernels kernels(BackendOptions options) {
        String wanted = System.getProperty(PROPERTY);
        return wanted == null ? fastest(options.activations()) : named(wanted, options.activations());
    }

    /** Those that the user asks for, to compare or because others are in doubt. */
    private static Kernels named(String name, Activations activations) {
        Kind kind = CHOICES.get(name);
        if (kind == null) {
            throw new ModelException(
                    "-D" + PROPERTY + "=" + name + " is none of " + String.join(", ", CHOICES.keySet()));
        }
        if (kind == Kind.SCALAR) {
            return scalar(activations);
        }
        if (!hasVectors()) {
            throw new ModelException("-D" + PROPERTY + "=" + name + " needs the JVM option " + MODULE);
        }
        try {
            return Kernels.of(with(kind, activations));
        } catch (IllegalStateException e) {
            throw new ModelException(
                    "-D" + PROPERTY + "=" + name + " cannot be used here: " + e.getMessage() + "; leave the option out",
                    e);
        }
    }

    /** Names {@link VectorKernels} only if its module is there: without it, loading the class would fail. */
    private static Kernels fastest(Activations activations) {
        if (!hasVectors()) {
            if (WARNED.compareAndSet(false, true)) {
                LOG.warn("The CPU backend runs on scalar kernels, many times slower than on vector kernels: "
                        + "start the JVM with " + MODULE);
            }
            return scalar(activations);
        }
        Optional<String> reason = NativeCode.unavailable(activations == Activations.INT16);
        if (reason.isPresent()) {
            LOG.info("Products with weights run on the Vector API and not in native code: {}", reason.get());
            return Kernels.of(with(Kind.VECTOR, activations));
        }
        return Kernels.of(with(Kind.NATIVE_CODE, activations));
    }

    private static Kernels scalar(Activations activations) {
        if (activations == Activations.INT16) {
            throw new ModelException(
                    "--activations int16 is not for scalar kernels; leave it out, or start the JVM with " + MODULE
                            + " and without -D" + PROPERTY);
        }
        return Kernels.of(Kind.SCALAR);
    }

    /** Integers only by themselves if the processor has instructions for them. */
    private static Kind with(Kind kind, Activations activations) {
        boolean integers = activations == Activations.INT16
                || activations == Activations.AUTO
                        && kind == Kind.NATIVE_CODE
                        && NativeCode.unavailable(true).isEmpty();
        if (kind == Kind.NATIVE_CODE) {
            return integers ? Kind.NATIVE_CODE_INT16 : kind;
        }
        return integers ? Kind.VECTOR_INT16 : kind;
    }

    private static boolean hasVectors() {
        return ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
    }
}
