package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.model.Model;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The backend that runs everywhere: on the JDK's Vector API, or in plain Java where the JVM was started without it. */
public final class CpuBackendProvider implements BackendProvider {

    private static final Logger LOG = LoggerFactory.getLogger(CpuBackendProvider.class);
    private static final AtomicBoolean WARNED = new AtomicBoolean();

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

    /** Names {@link VectorKernels} only where its module is there: without it, loading the class would fail. */
    private static Kernels kernels() {
        if (ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent()) {
            return new VectorKernels(Packing.FLOATS);
        }
        if (WARNED.compareAndSet(false, true)) {
            LOG.warn("The CPU backend runs on scalar kernels, many times slower than on vector kernels: "
                    + "start the JVM with --add-modules jdk.incubator.vector");
        }
        return new ScalarKernels();
    }
}
