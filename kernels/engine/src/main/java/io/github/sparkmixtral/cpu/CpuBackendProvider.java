package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.cpu.Kernels.Kind;
import io.github.sparkmixtral.cpu.jit.NativeCode;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
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
 * in plain Java if the JVM was started without it. The bits of an answer are the same with the first two.
 */
public final class CpuBackendProvider implements BackendProvider {

    private static final Logger LOG = LoggerFactory.getLogger(CpuBackendProvider.class);
    private static final AtomicBoolean WARNED = new AtomicBoolean();

    /** System property that names the kernels to take. */
    private static final String PROPERTY = "spark-mixtral.kernels";

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
    public Backend open(Model model, BackendOptions options) {
        return new CpuBackend(name(), model, options, kernels());
    }

    private static Kernels kernels() {
        String wanted = System.getProperty(PROPERTY);
        return wanted == null ? fastest() : named(wanted);
    }

    /** Those that the user asks for, to compare or because others are in doubt. */
    private static Kernels named(String name) {
        Kind kind = CHOICES.get(name);
        if (kind == null) {
            throw new ModelException(
                    "-D" + PROPERTY + "=" + name + " is none of " + String.join(", ", CHOICES.keySet()));
        }
        if (kind != Kind.SCALAR && !hasVectors()) {
            throw new ModelException(
                    "-D" + PROPERTY + "=" + name + " needs the JVM option --add-modules jdk.incubator.vector");
        }
        try {
            return Kernels.of(kind);
        } catch (IllegalStateException e) {
            throw new ModelException(
                    "-D" + PROPERTY + "=" + name + " cannot be used here: " + e.getMessage() + "; leave the option out",
                    e);
        }
    }

    /** Names {@link VectorKernels} only if its module is there: without it, loading the class would fail. */
    private static Kernels fastest() {
        if (!hasVectors()) {
            if (WARNED.compareAndSet(false, true)) {
                LOG.warn("The CPU backend runs on scalar kernels, many times slower than on vector kernels: "
                        + "start the JVM with --add-modules jdk.incubator.vector");
            }
            return Kernels.of(Kind.SCALAR);
        }
        Optional<String> reason = NativeCode.unavailable();
        if (reason.isPresent()) {
            LOG.info("Products with weights run on the Vector API and not in native code: {}", reason.get());
            return Kernels.of(Kind.VECTOR);
        }
        return Kernels.of(Kind.NATIVE_CODE);
    }

    private static boolean hasVectors() {
        return ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
    }
}
