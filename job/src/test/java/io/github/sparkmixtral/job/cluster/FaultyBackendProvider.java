package io.github.sparkmixtral.job.cluster;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.Model;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/** The CPU backend with the faults that the environment of its process asks for. */
public final class FaultyBackendProvider implements BackendProvider {
    static final String NAME = "faulty";

    /** {@code load}: no engine loads; {@code first-load}: the first does not; {@code first-step}: the first engine dies. */
    static final String FAULTS = "SPARK_MIXTRAL_FAULTS";

    private static final AtomicInteger OPENED = new AtomicInteger();

    static final Class<?>[] CLASSES = {FaultyBackendProvider.class, DyingBackend.class};

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public int rank() {
        return Integer.MIN_VALUE;
    }

    @Override
    public Optional<String> unavailable() {
        return Optional.empty();
    }

    @Override
    public Backend open(Model model, BackendOptions options) {
        String faults = System.getenv().getOrDefault(FAULTS, "");
        int opened = OPENED.incrementAndGet();
        if (faults.equals("load") || faults.equals("first-load") && opened == 1) {
            throw new ModelException("the device is broken on purpose");
        }
        Backend backend = Backends.find("cpu").open(model, options);
        return faults.equals("first-step") && opened == 1 ? new DyingBackend(backend) : backend;
    }

    /** Dies at its first step. */
    private record DyingBackend(Backend backend) implements Backend {
        @Override
        public String name() {
            return NAME;
        }

        @Override
        public int vocabularySize() {
            return backend.vocabularySize();
        }

        @Override
        public int maxPositions() {
            return backend.maxPositions();
        }

        @Override
        public int blockSize() {
            return backend.blockSize();
        }

        @Override
        public int cacheBlocks() {
            return backend.cacheBlocks();
        }

        @Override
        public int maxBatchTokens() {
            return backend.maxBatchTokens();
        }

        @Override
        public int maxSequences() {
            return backend.maxSequences();
        }

        @Override
        public int hiddenSize() {
            return backend.hiddenSize();
        }

        @Override
        public float[] hidden() {
            return backend.hidden();
        }

        @Override
        public float[] forward(Batch batch) {
            throw new IllegalStateException("the device has died on purpose");
        }

        @Override
        public void close() {
            backend.close();
        }
    }
}
