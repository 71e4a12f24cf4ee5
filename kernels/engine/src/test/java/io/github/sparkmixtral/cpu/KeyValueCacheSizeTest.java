package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.testkit.RandomModel;
import org.junit.jupiter.api.Test;

class KeyValueCacheSizeTest {

    private static final ModelConfig CONFIG = RandomModel.config(0, RopeLayout.HALVES);

    /** 2 layers of 2 heads of 16 tokens of a key of 10 and a value of 10, padded to 16, in floats. */
    private static final long BLOCK_BYTES = 2 * 2 * 16 * (10 + 16) * 4;

    @Test
    void blockBytesCountAllLayers() {
        assertThat(KeyValueCache.blockBytes(CONFIG)).isEqualTo(BLOCK_BYTES);
    }

    @Test
    void withoutASizeEverySequenceGetsItsTokensWhereMemoryAllows() {
        // 2048 positions are 128 blocks.
        assertThat(blocks(3, 0, 1L << 40)).isEqualTo(3 * 128);
        assertThat(blocks(3, 0, 200 * BLOCK_BYTES)).isEqualTo(100);
        assertThat(blocks(3, 0, 2 * BLOCK_BYTES)).isEqualTo(1);
    }

    @Test
    void aSizeIsTakenAsItIs() {
        assertThat(blocks(3, 7 * BLOCK_BYTES + 1, 1L << 40)).isEqualTo(7);
        assertThat(blocks(1, 1L << 45, 1L << 50)).isEqualTo(Integer.MAX_VALUE / 16);
    }

    @Test
    void whatDoesNotFitIsRefusedWithNumbers() {
        assertThatThrownBy(() -> blocks(1, 0, BLOCK_BYTES))
                .isInstanceOf(ModelException.class)
                .hasMessage(
                        "one block of 16 tokens of the key/value cache needs 6656 bytes, but only 6656 bytes of memory are free,"
                                + " of which a cache takes at most half; give the process more memory or set --kv-cache-memory");
        assertThatThrownBy(() -> blocks(1, 100, 1L << 30))
                .isInstanceOf(ModelException.class)
                .hasMessage("one block of 16 tokens of the key/value cache needs 6656 bytes, more than the 100 bytes"
                        + " allowed; raise --kv-cache-memory");
        assertThatThrownBy(() -> blocks(1, 3L << 30, 1L << 30))
                .isInstanceOf(ModelException.class)
                .hasMessage("the key/value cache is to take 3072 MiB, but only 1024 MiB of memory are free; lower"
                        + " --kv-cache-memory");
    }

    @Test
    void memoryIsTakenWhenABlockIsFirstUsed() {
        try (KeyValueCache cache = new KeyValueCache(CONFIG, 1 << 20)) {
            assertThat(cache.slab(999_999)).isNull();
            cache.reserve(999_999);
            assertThat(cache.slab(999_999)).isNotNull();
            assertThat(cache.slab(0)).isNull();
            assertThat(cache.slab(999_999).byteSize())
                    .isGreaterThanOrEqualTo(BLOCK_BYTES)
                    .isLessThanOrEqualTo(32 << 20);
        }
    }

    private static int blocks(int sequences, long kvCacheBytes, long free) {
        return KeyValueCacheSize.blocks(CONFIG, new BackendOptions(sequences, 16, kvCacheBytes, 1), free);
    }
}
