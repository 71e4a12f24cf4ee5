package io.github.sparkmixtral.job.cluster;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.model.Model;
import java.util.Optional;

/** Says each token once more, so that a job of many rows costs what the job costs and not what a model does. */
public final class EchoBackendProvider implements BackendProvider {
    static final String NAME = "echo";

    static final Class<?>[] CLASSES = {EchoBackendProvider.class, EchoBackend.class};

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
        return new EchoBackend(model.config().vocabularySize(), model.config().maxPositions());
    }

    private static final class EchoBackend implements Backend {
        private static final int BLOCK = 16;
        private static final int SEQUENCES = 256;

        private final int vocabularySize;
        private final int maxPositions;
        private final float[] logits;
        private final int[] said = new int[SEQUENCES];

        EchoBackend(int vocabularySize, int maxPositions) {
            this.vocabularySize = vocabularySize;
            this.maxPositions = maxPositions;
            this.logits = new float[SEQUENCES * vocabularySize];
        }

        @Override
        public String name() {
            return NAME;
        }

        @Override
        public int vocabularySize() {
            return vocabularySize;
        }

        @Override
        public int maxPositions() {
            return maxPositions;
        }

        @Override
        public int blockSize() {
            return BLOCK;
        }

        @Override
        public int cacheBlocks() {
            return SEQUENCES * 64;
        }

        @Override
        public int maxBatchTokens() {
            return SEQUENCES * BLOCK;
        }

        @Override
        public int maxSequences() {
            return SEQUENCES;
        }

        @Override
        public int hiddenSize() {
            return 1;
        }

        @Override
        public float[] hidden() {
            throw new UnsupportedOperationException("an engine that echoes has no hidden states");
        }

        @Override
        public float[] forward(Batch batch) {
            int[] wanted = batch.logitRows();
            for (int i = 0; i < wanted.length; i++) {
                logits[i * vocabularySize + said[i]] = 0;
                said[i] = batch.tokens()[wanted[i]];
                logits[i * vocabularySize + said[i]] = 1;
            }
            return logits;
        }

        @Override
        public void close() {
            // Nothing is held but arrays.
        }
    }
}
