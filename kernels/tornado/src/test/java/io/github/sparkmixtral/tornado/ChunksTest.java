package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.testkit.Batches;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ChunksTest {

    private static final int[] SEQUENCE = IntStream.range(100, 200).toArray();

    private final Batch batch = new Batches()
            .add(SEQUENCE, 0, 20, new int[] {5, 3}, 1)
            .add(SEQUENCE, 40, 41, new int[] {0, 1, 2, 9}, 1)
            .add(SEQUENCE, 0, 35, new int[] {8, 7, 6}, 2)
            .build();

    @Test
    void wholeBatchStaysWhatItIsButForBlocksBeyondItsPositions() {
        Batch cut = Chunks.cut(batch, 0, 56);
        assertThat(cut.tokens()).isEqualTo(batch.tokens());
        assertThat(cut.sequenceStarts()).isEqualTo(batch.sequenceStarts());
        assertThat(cut.blockTables()).containsExactly(5, 3, 0, 1, 2, 8, 7, 6);
        assertThat(cut.blockTableStarts()).containsExactly(0, 2, 5, 8);
        assertThat(cut.logitRows()).isEqualTo(batch.logitRows());
    }

    @Test
    void sequencesAreCutWhereTheChunkBeginsAndEnds() {
        Batch cut = Chunks.cut(batch, 15, 24);
        assertThat(cut.tokens()).containsExactly(115, 116, 117, 118, 119, 140, 100, 101, 102);
        assertThat(cut.positions()).containsExactly(15, 16, 17, 18, 19, 40, 0, 1, 2);
        assertThat(cut.kvSlots()).containsExactly(95, 48, 49, 50, 51, 40, 128, 129, 130);
        assertThat(cut.sequenceStarts()).containsExactly(0, 5, 6, 9);
        assertThat(cut.blockTables()).containsExactly(5, 3, 0, 1, 2, 8);
        assertThat(cut.blockTableStarts()).containsExactly(0, 2, 5, 6);
        assertThat(cut.logitRows()).containsExactly(4, 5);
    }

    @Test
    void aChunkInsideOfOneSequenceKeepsTheBlocksOfItsPast() {
        Batch cut = Chunks.cut(batch, 41, 56);
        assertThat(cut.positions()).startsWith(20).endsWith(34);
        assertThat(cut.sequenceStarts()).containsExactly(0, 15);
        assertThat(cut.blockTables()).containsExactly(8, 7, 6);
        assertThat(cut.logitRows()).containsExactly(13, 14);
    }
}
