package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.testkit.Batches;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

class BlockTablesTest {

    private static final int ROWS = 3;
    private static final int LENGTH = 8;
    private static final StepLayout LAYOUT = new StepLayout(64, 64, 5);
    private static final int[] TOKENS = new int[16 * LENGTH];

    private final BlockTables tables = new BlockTables(ROWS, LENGTH);
    private final IntArray step = new IntArray(LAYOUT.size());
    private final int[] device = new int[ROWS * LENGTH];

    @Test
    void aSequenceThatGoesOnChangesOneEntryInSixteenTokens() {
        place(new Batches().add(TOKENS, 0, 30, blocks(10, 2), 1));
        for (int position = 30; position < 64; position++) {
            int changes = place(new Batches().add(TOKENS, position, position + 1, blocks(10, position / 16 + 1), 1));
            assertThat(changes).as("position " + position).isEqualTo(position % 16 == 0 ? 1 : 0);
        }
    }

    @Test
    void aSequenceKeepsItsRowWhereverItStandsInTheBatch() {
        Batches both = new Batches().add(TOKENS, 0, 20, blocks(0, 2), 1).add(TOKENS, 0, 40, blocks(10, 3), 1);
        assertThat(place(both)).isEqualTo(5);
        assertThat(place(new Batches().add(TOKENS, 40, 41, blocks(10, 3), 1).add(TOKENS, 20, 21, blocks(0, 2), 1)))
                .isZero();
        // The first one is done, and another has come: it gets the first one's row or the free one.
        assertThat(place(new Batches().add(TOKENS, 0, 16, blocks(20, 1), 1).add(TOKENS, 41, 42, blocks(10, 3), 1)))
                .isEqualTo(1);
    }

    @Test
    void sequencesThatShareTheirBlocksGetRowsOfTheirOwn() {
        place(new Batches().add(TOKENS, 0, 32, blocks(0, 2), 1));
        int[] first = {0, 1, 5};
        int[] second = {0, 1, 6};
        place(new Batches().add(TOKENS, 32, 33, first, 1).add(TOKENS, 32, 33, second, 1));
        place(new Batches().add(TOKENS, 33, 34, second, 1).add(TOKENS, 33, 34, first, 1));
    }

    /** More changes than a step has room for are written by several. */
    @Test
    void changesAreWrittenInParts() {
        int[] starts =
                tables.place(new Batches().add(TOKENS, 0, 128, blocks(30, 8), 1).build());
        assertThat(tables.left()).isEqualTo(8);
        assertThat(tables.write(step, LAYOUT)).isEqualTo(5);
        assertThat(tables.left()).isEqualTo(3);
        apply(5);
        assertThat(tables.write(step, LAYOUT)).isEqualTo(3);
        apply(3);
        assertThat(Arrays.copyOfRange(device, starts[0], starts[0] + 8)).isEqualTo(blocks(30, 8));
    }

    /** Whatever comes, the device's tables are those of the batch. */
    @Test
    void anyRunOfBatchesIsFollowed() {
        Random random = new Random(3);
        for (int i = 0; i < 500; i++) {
            Batches batches = new Batches();
            int sequences = 1 + random.nextInt(ROWS);
            for (int sequence = 0; sequence < sequences; sequence++) {
                int from = random.nextInt(100);
                int to = from + 1 + random.nextInt(20);
                batches.add(TOKENS, from, to, random.ints(to / 16 + 1, 0, 12).toArray(), 1);
            }
            place(batches);
        }
    }

    /** Places a batch, applies its changes, checks the device's tables and counts the changes. */
    private int place(Batches batches) {
        Batch batch = Chunks.cut(batches.build(), 0, batches.build().tokens().length);
        int[] starts = tables.place(batch);
        int changes = tables.left();
        while (tables.left() > 0) {
            apply(tables.write(step, LAYOUT));
        }
        assertThat(starts).doesNotHaveDuplicates();
        for (int sequence = 0; sequence < batch.sequences(); sequence++) {
            int[] expected = Arrays.copyOfRange(
                    batch.blockTables(), batch.blockTableStarts()[sequence], batch.blockTableStarts()[sequence + 1]);
            assertThat(Arrays.copyOfRange(device, starts[sequence], starts[sequence] + expected.length))
                    .isEqualTo(expected);
        }
        return changes;
    }

    private void apply(int count) {
        assertThat(step.get(StepLayout.CHANGES)).isEqualTo(count);
        for (int i = 0; i < count; i++) {
            int at = LAYOUT.changesAt() + StepLayout.CHANGE * i;
            device[step.get(at)] = step.get(at + 1);
        }
    }

    private static int[] blocks(int first, int count) {
        return IntStream.range(first, first + count).toArray();
    }
}
