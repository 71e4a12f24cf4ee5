package io.github.sparkmixtral.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.engine.BlockPool.Admission;
import io.github.sparkmixtral.engine.BlockPool.PrefixReuse;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class BlockPoolTest {
    private final BlockPool pool = new BlockPool(6, 4, PrefixReuse.ON);

    @Test
    void sharesFullBlocksOfTheSamePrefix() {
        BlockTable first = computed(tokens(1, 10));
        BlockTable second = admitted(tokens(1, 10));
        assertThat(second.block(0)).isEqualTo(first.block(0));
        assertThat(second.block(1)).isEqualTo(first.block(1));
        assertThat(second.block(2)).isNotEqualTo(first.block(2));
        assertThat(pool.references(first.block(0))).isEqualTo(2);
        assertThat(pool.freeBlocks()).isEqualTo(2);
    }

    @Test
    void sameTokensAfterOtherTokensAreAnotherBlock() {
        int[] first = {1, 2, 3, 4, 9, 9, 9, 9, 5};
        int[] second = {4, 3, 2, 1, 9, 9, 9, 9, 5};
        BlockTable one = computed(first);
        BlockTable other = admitted(second);
        assertThat(other.known).isZero();
        assertThat(other.block(1)).isNotEqualTo(one.block(1));
    }

    @Test
    void blockOfTheLastTokenIsNeverShared() {
        BlockTable first = computed(tokens(1, 8));
        BlockTable second = admitted(tokens(1, 8));
        assertThat(second.known).isEqualTo(1);
        assertThat(second.block(1)).isNotEqualTo(first.block(1));
    }

    @Test
    void waitsForABlockThatIsBeingComputed() {
        int[] tokens = tokens(1, 10);
        BlockTable first = admitted(tokens);
        BlockTable second = new BlockTable();
        assertThat(pool.admit(second, tokens, 10, 9)).isEqualTo(Admission.DEFERRED);
        assertThat(second.size()).isZero();
        pool.computed(first, tokens, 7);
        assertThat(pool.admit(second, tokens, 10, 9)).isEqualTo(Admission.DEFERRED);
        pool.computed(first, tokens, 8);
        assertThat(pool.admit(second, tokens, 10, 9)).isEqualTo(Admission.ADMITTED);
        assertThat(second.known).isEqualTo(2);
    }

    @Test
    void waitsNoLongerWhenTheOtherHasGone() {
        int[] tokens = tokens(1, 10);
        BlockTable first = admitted(tokens);
        pool.release(first);
        assertThat(pool.freeBlocks()).isEqualTo(6);
        assertThat(admitted(tokens).known).isZero();
    }

    @Test
    void releasedBlocksAreFoundUntilTheyAreNeeded() {
        int[] first = tokens(1, 9);
        int[] second = tokens(2, 9);
        pool.release(computed(first));
        pool.release(computed(second));
        assertThat(pool.freeBlocks()).isEqualTo(6);
        // Four blocks hold something; of these the last of the first sequence is the least recently used.
        BlockTable third = admitted(tokens(3, 12));
        assertThat(third.known).isZero();
        pool.release(third);
        assertThat(admitted(first).known).isEqualTo(1);
        assertThat(admitted(second).known).isEqualTo(2);
    }

    @Test
    void heldBlocksAreNeverEvicted() {
        int[] first = tokens(1, 12);
        BlockTable held = computed(first);
        BlockTable other = admitted(tokens(2, 12));
        assertThat(pool.freeBlocks()).isZero();
        assertThat(pool.admit(new BlockTable(), tokens(3, 1), 1, 0)).isEqualTo(Admission.FULL);
        assertThat(pool.grow(other, 13)).isFalse();
        pool.release(other);
        BlockTable again = admitted(first);
        assertThat(again.known).isEqualTo(2);
        assertThat(again.block(0)).isEqualTo(held.block(0));
    }

    @Test
    void blocksFoundCountAgainstTheFreeOnes() {
        int[] first = tokens(1, 9);
        pool.release(computed(first));
        BlockTable other = admitted(tokens(2, 12));
        // Three blocks are free, two of them are found: one is left for the rest.
        assertThat(pool.admit(new BlockTable(), first, 13, 12)).isEqualTo(Admission.FULL);
        assertThat(pool.freeBlocks()).isEqualTo(3);
        pool.release(other);
    }

    @Test
    void twinKeepsItsOwnBlock() {
        int[] tokens = tokens(1, 9);
        BlockTable first = new BlockTable();
        BlockTable second = new BlockTable();
        pool.admit(first, tokens, 2, 1);
        pool.admit(second, tokens, 2, 1);
        pool.grow(first, 5);
        pool.grow(second, 5);
        pool.computed(first, tokens, 5);
        pool.computed(second, tokens, 5);
        assertThat(second.block(0)).isNotEqualTo(first.block(0));
        pool.release(second);
        assertThat(admitted(tokens).block(0)).isEqualTo(first.block(0));
    }

    @Test
    void withoutReuseNothingIsFound() {
        BlockPool plain = new BlockPool(6, 4, PrefixReuse.OFF);
        int[] tokens = tokens(1, 10);
        BlockTable first = new BlockTable();
        plain.admit(first, tokens, 10, 9);
        plain.computed(first, tokens, 10);
        BlockTable second = new BlockTable();
        assertThat(plain.admit(second, tokens, 10, 9)).isEqualTo(Admission.ADMITTED);
        assertThat(second.known).isZero();
        assertThat(plain.freeBlocks()).isZero();
    }

    private BlockTable admitted(int[] tokens) {
        BlockTable table = new BlockTable();
        assertThat(pool.admit(table, tokens, tokens.length, tokens.length - 1)).isEqualTo(Admission.ADMITTED);
        return table;
    }

    private BlockTable computed(int[] tokens) {
        BlockTable table = admitted(tokens);
        pool.computed(table, tokens, tokens.length);
        return table;
    }

    private static int[] tokens(int seed, int length) {
        return IntStream.range(0, length).map(i -> 100 * seed + i).toArray();
    }
}
