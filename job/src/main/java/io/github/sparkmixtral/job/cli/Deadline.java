package io.github.sparkmixtral.job.cli;

import java.time.Clock;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * Reads a point in time: a date and time of ISO 8601, with or without an offset; a time of the day, which is the next one; or a
 * duration from now on, such as {@code 90m}, {@code 1h30m} or {@code PT6H}.
 */
final class Deadline implements ITypeConverter<Instant> {
    private static final Pattern DURATION =
            Pattern.compile("(?:(\\d{1,6})d)?(?:(\\d{1,6})h)?(?:(\\d{1,6})m(?:in)?)?(?:(\\d{1,9})s)?");

    private final Clock clock;

    /** picocli's. */
    Deadline() {
        this(Clock.systemDefaultZone());
    }

    /** @param clock says what time it is, and in which zone */
    Deadline(Clock clock) {
        this.clock = clock;
    }

    @Override
    public Instant convert(String value) {
        String text = value.strip();
        List<Function<String, Instant>> forms = List.of(
                this::fromNow,
                iso -> clock.instant().plus(Duration.parse(iso)),
                iso -> OffsetDateTime.parse(iso).toInstant(),
                iso -> ZonedDateTime.parse(iso).toInstant(),
                iso -> LocalDateTime.parse(iso.replace(' ', 'T'))
                        .atZone(clock.getZone())
                        .toInstant(),
                iso -> next(LocalTime.parse(iso)));
        for (Function<String, Instant> form : forms) {
            try {
                return form.apply(text);
            } catch (DateTimeException | ArithmeticException e) {
                // It may be written in the next form.
            }
        }
        throw new TypeConversionException(
                "must be a time such as 2026-11-25T06:00, 06:00 or 2026-11-25T06:00Z, or a duration such as 90m, not "
                        + value);
    }

    private Instant fromNow(String text) {
        Matcher parts = DURATION.matcher(text.toLowerCase(Locale.ROOT));
        if (text.isEmpty() || !parts.matches()) {
            throw new DateTimeException("no duration");
        }
        Duration duration = Duration.ofDays(part(parts, 1))
                .plusHours(part(parts, 2))
                .plusMinutes(part(parts, 3))
                .plusSeconds(part(parts, 4));
        return clock.instant().plus(duration);
    }

    private static long part(Matcher parts, int group) {
        return parts.group(group) == null ? 0 : Long.parseLong(parts.group(group));
    }

    private Instant next(LocalTime time) {
        ZonedDateTime now = clock.instant().atZone(clock.getZone());
        ZonedDateTime today = now.with(time);
        return (today.isAfter(now) ? today : today.plusDays(1)).toInstant();
    }
}
