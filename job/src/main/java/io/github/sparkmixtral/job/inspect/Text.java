package io.github.sparkmixtral.job.inspect;

import java.util.Locale;

/** How numbers are written. */
final class Text {
    private Text() {}

    static String format(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }

    /** In GiB, of which sizes of options are made; small ones in MiB. */
    static String gibibytes(long bytes) {
        double gibibytes = bytes / (double) (1 << 30);
        return gibibytes < 0.1 ? format("%.1f MiB", bytes / (double) (1 << 20)) : format("%,.1f GiB", gibibytes);
    }

    /** {@code 46.7 billion}. */
    static String count(long number) {
        return number < 1_000_000_000 ? format("%,.1f million", number / 1e6) : format("%,.1f billion", number / 1e9);
    }
}
