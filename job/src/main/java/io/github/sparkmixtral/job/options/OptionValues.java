package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.job.fault.JobException;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.TypeConversionException;

/** How option values are written and told of. */
public final class OptionValues {
    private static final Pattern SIZE = Pattern.compile("(\\d+(?:\\.\\d+)?)\\s*([kmgt]?)i?b?");
    private static final Pattern LEADING_NAME = Pattern.compile("^([a-z][a-z_]*)(?=[ \\[])");
    private static final Pattern OPTION = Pattern.compile("--([a-z][a-z-]*)");
    private static final Pattern WHOLE_AS_DOUBLE = Pattern.compile("(-?\\d+)\\.0(?![0-9eE])");

    private OptionValues() {}

    /** A whole number from 1, or {@code auto}, which is 0. */
    public static final class CountOrAuto implements ITypeConverter<Integer> {
        @Override
        public Integer convert(String value) {
            return value.equals("auto") ? 0 : count(value, 1, "auto");
        }
    }

    /** A whole number from 0, or {@code none}, which is -1. */
    static final class CountOrNone implements ITypeConverter<Integer> {
        @Override
        public Integer convert(String value) {
            return value.equals("none") ? -1 : count(value, 0, "none");
        }
    }

    /** Bytes with an optional binary unit, such as {@code 512m}, or {@code auto}, which is 0. */
    static final class SizeOrAuto implements ITypeConverter<Long> {
        @Override
        public Long convert(String value) {
            return value.equals("auto") ? 0 : bytes(value, ", or auto");
        }
    }

    /** Bytes with an optional binary unit, such as {@code 80g}. */
    static final class Size implements ITypeConverter<Long> {
        @Override
        public Long convert(String value) {
            return bytes(value, "");
        }
    }

    private static int count(String value, int least, String word) {
        try {
            int count = Integer.parseInt(value);
            if (count >= least) {
                return count;
            }
        } catch (NumberFormatException e) {
            // Told below, in the words of the option.
        }
        throw new TypeConversionException(
                "must be a whole number of at least " + least + " or " + word + ", not " + value);
    }

    /** @param other what the value may be besides, for the message */
    static long bytes(String value, String other) {
        Matcher size = SIZE.matcher(value.toLowerCase(Locale.ROOT));
        if (size.matches()) {
            int shift = size.group(2).isEmpty() ? 0 : 10 * ("kmgt".indexOf(size.group(2)) + 1);
            double bytes = Double.parseDouble(size.group(1)) * (1L << shift);
            if (bytes >= 1 && bytes < Long.MAX_VALUE) {
                return (long) bytes;
            }
        }
        throw new TypeConversionException("must be a size such as 512m or 4g" + other + ", not " + value);
    }

    /**
     * Refuses options that have no meaning without another one.
     *
     * @param other the other one, and why
     * @param options names, each followed by its value, which is null if it was not given
     */
    static void requireNone(String other, Object... options) {
        for (int i = 0; i < options.length; i += 2) {
            if (options[i + 1] != null) {
                throw JobException.usage(options[i] + " needs " + other);
            }
        }
    }

    public static void requireAtLeast(int least, String option, long value) {
        if (value < least) {
            throw JobException.usage(option + " must be at least " + least + ", not " + value);
        }
    }

    /** {@code top_p must be in (0, 1], not 3.0} as {@code --top-p must be in (0, 1], not 3}. */
    public static String inOptionSpelling(String message) {
        String named = LEADING_NAME
                .matcher(message)
                .replaceFirst(name -> "--" + name.group(1).replace('_', '-'));
        return WHOLE_AS_DOUBLE.matcher(named).replaceAll("$1");
    }

    /** {@code --top-p must be in (0, 1]} as {@code top_p must be in (0, 1]}. */
    public static String inApiSpelling(String message) {
        return OPTION.matcher(message.replace(" (--help shows every option)", ""))
                .replaceAll(name -> name.group(1).replace('-', '_'));
    }

    /** A value in the spelling of the command line. */
    public static String text(Object value) {
        return switch (value) {
            case Double number
            when number == Math.rint(number) && Math.abs(number) < 1e15 -> Long.toString(number.longValue());
            case Enum<?> constant -> constant.name().toLowerCase(Locale.ROOT);
            default -> value.toString();
        };
    }

    /** An option's long name without dashes. */
    public static String name(OptionSpec option) {
        return option.longestName().substring(2);
    }
}
