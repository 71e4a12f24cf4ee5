package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.github.sparkmixtral.engine.Batch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

final class AttentionItemsTest {

    private record Item(int first, int tokens, int from, int to, int table, int slot) {}

    /** A batch of sequences that compute {@code counts[s]} tokens from position {@code starts[s]}. */
    private static Batch batch(int[] starts, int[] counts) {
        int sequences = starts.length;
        int[] sequenceStarts = new int[sequences + 1];
        int[] tableStarts = new int[sequences + 1];
        for (int s = 0; s < sequences; s++) {
            sequenceStarts[s + 1] = sequenceStarts[s] + counts[s];
            tableStarts[s + 1] = tableStarts[s] + Math.ceilDiv(starts[s] + counts[s], 16);
        }
        int[] positions = new int[sequenceStarts[sequences]];
        for (int s = 0; s < sequences; s++) {
            for (int i = 0; i < counts[s]; i++) {
                positions[sequenceStarts[s] + i] = starts[s] + i;
            }
        }
        int[] tables = new int[tableStarts[sequences]];
        return new Batch(
                new int[positions.length],
                positions,
                new int[positions.length],
                sequenceStarts,
                tables,
                tableStarts,
                new int[0]);
    }

    private static Batch batch(int start, int count) {
        return batch(new int[] {start}, new int[] {count});
    }

    /** Writes a batch's items, checks all that holds for any batch, and gives the items. */
    private static List<Item> written(AttentionItems attention, Batch batch) {
        StepLayout layout = new StepLayout(attention.maxTokens(), attention.maxItems(), 1);
        IntArray step = new IntArray(layout.size());
        int count = attention.write(batch, batch.blockTableStarts(), step, layout);
        assertThat(count).isEqualTo(step.get(StepLayout.ITEMS)).isLessThanOrEqualTo(attention.maxItems());
        List<Item> items = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int at = layout.itemsAt() + StepLayout.ITEM * i;
            items.add(new Item(
                    step.get(at),
                    step.get(at + 1),
                    step.get(at + 2),
                    step.get(at + 3),
                    step.get(at + 4),
                    step.get(at + 5)));
        }
        checkItems(attention, batch, items);
        checkPartials(attention, batch, step, layout, items);
        return items;
    }

    private static void checkItems(AttentionItems attention, Batch batch, List<Item> items) {
        int[][] seen = new int[batch.tokens().length][];
        Arrays.setAll(seen, token -> new int[batch.positions()[token] + 1]);
        for (Item item : items) {
            int sequence = 0;
            while (batch.sequenceStarts()[sequence + 1] <= item.first) {
                sequence++;
            }
            int last = item.first + item.tokens - 1;
            assertThat(item.tokens).isBetween(1, attention.queryTile());
            assertThat(last).isLessThan(batch.sequenceStarts()[sequence + 1]);
            assertThat(item.table).isEqualTo(batch.blockTableStarts()[sequence]);
            assertThat(item.from % 16).isZero();
            assertThat(item.to).isBetween(item.from + 1, batch.positions()[last] + 1);
            for (int token = item.first; token <= last; token++) {
                for (int position = item.from; position < Math.min(item.to, seen[token].length); position++) {
                    seen[token][position]++;
                }
            }
        }
        for (int token = 0; token < seen.length; token++) {
            int position = seen[token].length - 1;
            int from = attention.window() == 0 ? 0 : Math.max(0, position - attention.window() + 1);
            assertThat(Arrays.copyOfRange(seen[token], from, position + 1))
                    .as("times that token %d reads each of its positions from %d", token, from)
                    .containsOnly(1);
        }
    }

    private static void checkPartials(
            AttentionItems attention, Batch batch, IntArray step, StepLayout layout, List<Item> items) {
        List<List<Integer>> slots = new ArrayList<>();
        Set<Integer> taken = new HashSet<>();
        for (int token = 0; token < batch.tokens().length; token++) {
            slots.add(new ArrayList<>());
        }
        for (Item item : items) {
            for (int i = 0; i < item.tokens; i++) {
                slots.get(item.first + i).add(item.slot + i);
                assertThat(taken.add(item.slot + i)).isTrue();
                assertThat(item.slot + i).isBetween(0, attention.maxSlots() - 1);
            }
        }
        for (int token = 0; token < slots.size(); token++) {
            int at = layout.partialsAt() + StepLayout.PARTIAL * token;
            List<Integer> told = new ArrayList<>();
            for (int split = 0; split < step.get(at + 2); split++) {
                told.add(step.get(at) + split * step.get(at + 1));
            }
            assertThat(told).isEqualTo(slots.get(token));
        }
    }

    @Test
    void leavesAShortContextWhole() {
        AttentionItems attention = new AttentionItems(4, 0, 64, 8, 4096);

        assertThat(written(attention, batch(9, 1))).containsExactly(new Item(0, 1, 0, 10, 0, 0));
        assertThat(written(attention, batch(255, 1))).hasSize(1);
        assertThat(written(attention, batch(256, 1))).hasSize(2);
    }

    @Test
    void tilesTheTokensOfEachSequenceApart() {
        AttentionItems attention = new AttentionItems(4, 0, 64, 8, 4096);

        assertThat(written(attention, batch(new int[] {0, 20, 5, 7}, new int[] {6, 1, 0, 4})))
                .containsExactly(
                        new Item(0, 4, 0, 4, 0, 0),
                        new Item(4, 2, 0, 6, 0, 4),
                        new Item(6, 1, 0, 21, 1, 6),
                        new Item(7, 4, 0, 11, 4, 7));
    }

    @Test
    void splitsALongContextEvenlyAtBlocks() {
        AttentionItems attention = new AttentionItems(4, 0, 64, 8, 4096);

        assertThat(written(attention, batch(799, 1)))
                .containsExactly(
                        new Item(0, 1, 0, 208, 0, 0),
                        new Item(0, 1, 208, 416, 0, 1),
                        new Item(0, 1, 416, 624, 0, 2),
                        new Item(0, 1, 624, 800, 0, 3));
    }

    @Test
    void cutsALongSequenceIntoItemsAsShortAsThoseOfItsNeighbours() {
        AttentionItems attention = new AttentionItems(4, 0, 64, 64, 32768);
        int[] starts = new int[33];
        Arrays.fill(starts, 500);
        starts[20] = 32000;
        int[] counts = new int[33];
        Arrays.fill(counts, 1);

        List<Item> items = written(attention, batch(starts, counts));

        assertThat(items).allMatch(item -> item.to - item.from <= 256).hasSizeGreaterThan(32 * 2 + 120);
    }

    @Test
    void readsNothingBeforeTheWindow() {
        AttentionItems attention = new AttentionItems(4, 100, 64, 8, 4096);

        assertThat(written(attention, batch(1000, 3))).containsExactly(new Item(0, 3, 896, 1003, 0, 0));
        assertThat(written(attention, batch(50, 1))).containsExactly(new Item(0, 1, 0, 51, 0, 0));
    }

    @Test
    void splitsAWindowLongerThanOneItem() {
        List<Item> items = written(new AttentionItems(4, 700, 64, 8, 4096), batch(3000, 1));

        assertThat(items).hasSize(3);
        assertThat(items.getFirst().from).isEqualTo(2288);
    }

    @Test
    void staysWithinItsCapacitiesWhenEverythingIsAsLongAsItGets() {
        for (int tokens : new int[] {1, 7, 64, 500}) {
            for (int sequences : new int[] {1, 5, tokens}) {
                int counted = Math.min(sequences, tokens);
                int[] counts = new int[counted];
                for (int i = 0; i < tokens; i++) {
                    counts[i % counted]++;
                }
                int[] starts = Arrays.stream(counts).map(count -> 3000 - count).toArray();

                assertThat(written(new AttentionItems(3, 0, tokens, sequences, 3000), batch(starts, counts)))
                        .isNotEmpty();
            }
        }
    }

    @Test
    void neverSplitsWhereNoSequenceIsLongEnough() {
        AttentionItems attention = new AttentionItems(4, 0, 10, 3, 256);

        assertThat(attention.maxSlots()).isEqualTo(10);
        assertThat(attention.maxItems()).isEqualTo(4);
        assertThat(written(attention, batch(246, 10))).hasSize(3);
    }

    @Test
    void boundsItsBuffersWhateverTheLengthOfSequences() {
        assertThat(new AttentionItems(4, 0, 2048, 256, 65536).maxSlots()).isEqualTo(2048 + 1024);
        assertThat(new AttentionItems(4, 0, 2048, 256, 65536).maxItems()).isEqualTo((2048 + 3 * 256) / 4 + 1024);
        assertThat(new AttentionItems(4, 0, 2, 256, 512).maxSlots()).isEqualTo(4);
    }

    @Test
    void coversEveryTokenOfRandomBatches() {
        Random random = new Random(7);
        for (int trial = 0; trial < 60; trial++) {
            int window = random.nextInt(3) == 0 ? 1 + random.nextInt(900) : 0;
            int longest = 1 + random.nextInt(2500);
            int[] starts = new int[1 + random.nextInt(20)];
            int[] counts = new int[starts.length];
            for (int s = 0; s < starts.length; s++) {
                counts[s] = random.nextBoolean() ? 1 : random.nextInt(Math.min(20, longest) + 1);
                starts[s] = random.nextInt(longest - counts[s] + 1);
            }
            int tokens = Arrays.stream(counts).sum();
            if (tokens > 0) {
                int tile = 1 + random.nextInt(16);
                written(new AttentionItems(tile, window, tokens, starts.length, longest), batch(starts, counts));
            }
        }
    }

    @Test
    void refusesCapacitiesThatMeanNothing() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new AttentionItems(0, 0, 1, 1, 1))
                .withMessageContaining("a query tile of 0 tokens");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new StepLayout(0, 1, 1))
                .withMessage("a step needs room for tokens, items and changes, got 0, 1 and 1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new StepLayout(400_000_000, 1, 1))
                .withMessage(
                        "a step of 400000000 tokens and 1 attention items has 2400000017 integers, more than 2147483647");
    }

    @Test
    void laysTheArraysOfAStepOutOneBehindTheOther() {
        StepLayout layout = new StepLayout(10, 3, 5);

        assertThat(List.of(
                        layout.tokensAt(),
                        layout.positionsAt(),
                        layout.slotsAt(),
                        layout.partialsAt(),
                        layout.itemsAt(),
                        layout.changesAt(),
                        layout.size()))
                .containsExactly(9, 19, 29, 39, 69, 87, 97);
    }
}
