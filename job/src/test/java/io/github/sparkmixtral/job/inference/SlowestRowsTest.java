package io.github.sparkmixtral.job.inference;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.job.output.SlowRow;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SlowestRowsTest {
    private static SlowestRows of(List<Integer> seconds) {
        SlowestRows rows = new SlowestRows();
        seconds.forEach(second -> rows.add(new SlowRow("r" + second, second, second, 1)));
        return rows;
    }

    private static List<String> ids(SlowestRows rows) {
        return Arrays.stream(rows.value()).map(SlowRow::id).toList();
    }

    @Test
    void keepsTheFiveSlowestOfAllTasks() {
        List<Integer> seconds = IntStream.range(0, 100).boxed().collect(Collectors.toList());
        Collections.shuffle(seconds, new Random(3));
        SlowestRows some = of(seconds.subList(0, 40));
        some.merge(of(seconds.subList(40, 100)));
        assertThat(ids(some)).containsExactly("r99", "r98", "r97", "r96", "r95");
    }

    @Test
    void aCopyIsItsOwn() {
        SlowestRows rows = of(List.of(1, 2));
        SlowestRows copy = (SlowestRows) rows.copy();
        rows.add(new SlowRow("r3", 3, 0, 0));
        assertThat(ids(copy)).containsExactly("r2", "r1");
        copy.reset();
        assertThat(copy.isZero()).isTrue();
        assertThat(ids(rows)).containsExactly("r3", "r2", "r1");
    }
}
