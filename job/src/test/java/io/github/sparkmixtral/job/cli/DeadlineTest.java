package io.github.sparkmixtral.job.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Clock;
import java.time.Instant;
import java.time.ZoneId;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine.TypeConversionException;

class DeadlineTest {
    /** 22:00 in Berlin. */
    private static final Clock NOW = Clock.fixed(Instant.parse("2026-11-25T21:00:00Z"), ZoneId.of("Europe/Berlin"));

    @ParameterizedTest
    @CsvSource({
        "2026-11-26T06:00, 2026-11-26T05:00:00Z",
        "2026-11-26 06:00:30, 2026-11-26T05:00:30Z",
        "2026-11-26T06:00Z, 2026-11-26T06:00:00Z",
        "2026-11-26T06:00+02:00, 2026-11-26T04:00:00Z",
        "2026-11-26T06:00+09:00[Asia/Tokyo], 2026-11-25T21:00:00Z",
        "06:00, 2026-11-26T05:00:00Z",
        "22:30, 2026-11-25T21:30:00Z",
        "22:00, 2026-11-26T21:00:00Z",
        "90m, 2026-11-25T22:30:00Z",
        "1h30m, 2026-11-25T22:30:00Z",
        "2d, 2026-11-27T21:00:00Z",
        "45s, 2026-11-25T21:00:45Z",
        "PT6H, 2026-11-26T03:00:00Z"
    })
    void timeIsRead(String text, String instant) {
        assertThat(new Deadline(NOW).convert(text)).isEqualTo(Instant.parse(instant));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "tomorrow", "6", "25:00", "2026-13-01T06:00", "90 minutes", "-5m", "m"})
    void whatIsNoTimeIsRefused(String text) {
        assertThatThrownBy(() -> new Deadline(NOW).convert(text))
                .isInstanceOf(TypeConversionException.class)
                .hasMessageEndingWith("or a duration such as 90m, not " + text);
    }

    @Test
    void pastIsATimeToo() {
        assertThat(new Deadline(NOW).convert("2020-01-01T00:00Z")).isEqualTo("2020-01-01T00:00:00Z");
    }
}
