package io.github.sparkmixtral.job.estimate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.junit.jupiter.api.Test;

class SampleTest {
    private static Sample sample(int most, IntStream rows) {
        Sample sample = new Sample(most);
        rows.forEach(i -> sample.add("row-" + i, i, 100, RowFactory.create(i)));
        return sample;
    }

    private static double mean(List<Row> rows) {
        return rows.stream().mapToInt(row -> row.getInt(0)).average().orElseThrow();
    }

    @Test
    void doesNotDependOnHowRowsAreSpread() {
        Sample whole = sample(50, IntStream.range(0, 1000));
        Sample one = sample(50, IntStream.iterate(999, i -> i >= 0, i -> i - 3));
        one.add(sample(50, IntStream.range(0, 1000).filter(i -> i % 3 != 0)));
        assertThat(one.dealt(1)).isEqualTo(whole.dealt(1));
        assertThat(whole.size()).isEqualTo(50);
        assertThat(whole.isWhole()).isFalse();
        assertThat(one.isWhole()).isFalse();
    }

    @Test
    void holdsAllWhereThereIsRoomAndNoMoreThanItsBytes() {
        assertThat(sample(1000, IntStream.range(0, 1000)).isWhole()).isTrue();
        Sample large = new Sample(1000);
        IntStream.range(0, 100).forEach(i -> large.add("row-" + i, i, 1 << 20, RowFactory.create(i)));
        assertThat(large.size()).isEqualTo(32);
        assertThat(large.isWhole()).isFalse();
    }

    @Test
    void whateverPartATaskComesToIsLikeTheWhole() {
        for (int tasks : new int[] {1, 2, 3, 8}) {
            List<List<Row>> dealt = sample(1000, IntStream.range(0, 960)).dealt(tasks);
            assertThat(dealt).hasSize(tasks);
            assertThat(dealt.stream().flatMap(List::stream)).hasSize(960).doesNotHaveDuplicates();
            for (List<Row> rows : dealt) {
                for (int part : new int[] {32, 64, rows.size()}) {
                    assertThat(mean(rows.subList(0, part)))
                            .as("%d of %d rows of one of %d tasks", part, rows.size(), tasks)
                            .isCloseTo(480, within(1920.0 / part));
                }
            }
        }
    }

    @Test
    void moreTasksThanRowsLeaveSomeEmpty() {
        assertThat(sample(10, IntStream.range(0, 3)).dealt(5).stream().map(List::size))
                .containsExactly(1, 1, 1, 0, 0);
    }
}
