package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LayerSplitTest {

    @ParameterizedTest
    @CsvSource({
        "2, '16 16'",
        "3, '11 11 10'",
        "5, '7 7 7 7 4'",
        "32, '1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1'"
    })
    void devicesAlikeGetAboutTheSame(int devices, String expected) {
        assertThat(counts(split(0, 0).over(devices(devices, 4000)).orElseThrow()))
                .isEqualTo(expected);
    }

    @Test
    void aLargerDeviceGetsMoreLayers() {
        assertThat(counts(split(0, 0).over(new long[] {1000, 3100}).orElseThrow()))
                .isEqualTo("7 25");
    }

    /** The embedding takes the place of 4 layers, the head that of 6. */
    @Test
    void embeddingAndHeadCount() {
        assertThat(counts(split(400, 600).over(devices(2, 4000)).orElseThrow())).isEqualTo("17 15");
    }

    @Test
    void everyDeviceIsFilledAtMost() {
        LayerSplit split = split(250, 330);
        for (int devices = 1; devices <= 32; devices++) {
            for (long usable = 400; usable < 5000; usable += 150) {
                long[] room = devices(devices, usable);
                split.over(room).ifPresent(ranges -> {
                    assertThat(ranges).hasSize(room.length).allMatch(range -> split.bytes(range) <= room[0]);
                    assertThat(ranges.getFirst().isFirst()).isTrue();
                    assertThat(ranges.getLast().isLast()).isTrue();
                });
            }
        }
    }

    @Test
    void whatDoesNotFitIsNotSplit() {
        assertThat(split(0, 0).over(devices(1, 3214))).isEmpty();
        assertThat(split(0, 0).over(devices(1, 3215))).isPresent();
        assertThat(split(0, 0).over(devices(33, 4000))).isEmpty();
    }

    /** 32 layers of 100 bytes, and 15 on each device. */
    private static LayerSplit split(long embedding, long head) {
        long[] layers = new long[32];
        Arrays.fill(layers, 100);
        return new LayerSplit(layers, embedding, head, 15);
    }

    private static long[] devices(int count, long usable) {
        long[] devices = new long[count];
        Arrays.fill(devices, usable);
        return devices;
    }

    private static String counts(List<LayerRange> ranges) {
        return String.join(
                " ",
                ranges.stream().map(range -> Integer.toString(range.count())).toList());
    }
}
