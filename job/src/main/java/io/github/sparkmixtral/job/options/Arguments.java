package io.github.sparkmixtral.job.options;

import static java.util.stream.Collectors.joining;

import io.github.sparkmixtral.job.fault.JobException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.OverwrittenOptionException;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** Turns written options into values, and the faults that picocli finds into one sentence each. */
public final class Arguments {
    private static final Set<Class<?>> WHOLE_NUMBERS = Set.of(int.class, Integer.class, long.class, Long.class);

    private Arguments() {}

    /** The same command line with this project's habits. */
    public static CommandLine commandLine(CommandLine commandLine) {
        return commandLine
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setExpandAtFiles(false)
                .setInterpolateVariables(false)
                .setTrimQuotes(false);
    }

    /**
     * Parses.
     *
     * @param place where the arguments stand, for the message
     * @throws JobException with exit code 2 and one sentence for the first fault
     */
    public static ParseResult parse(CommandLine commandLine, List<String> arguments, String place) {
        try {
            return commandLine.parseArgs(arguments.toArray(String[]::new));
        } catch (ParameterException e) {
            throw JobException.usage(sentence(e) + place);
        }
    }

    private static String sentence(ParameterException e) {
        return switch (e) {
            case UnmatchedArgumentException unmatched -> {
                String argument = unmatched.getUnmatched().getFirst();
                String name = argument.split("=", 2)[0];
                yield name.startsWith("-")
                        ? "unknown option " + name + suggestion(name, optionNames(e.getCommandLine(), "--"))
                        : "unexpected argument " + argument + ": every value belongs to an option (--help shows them)";
            }
            case OverwrittenOptionException overwritten ->
                optionName(overwritten.getOverwritten()) + " is given more than once";
            case MissingParameterException missing ->
                missing.getMissing().stream().map(Arguments::optionName).collect(joining(", ")) + " needs a value";
            default -> {
                ArgSpec option = e.getArgSpec();
                yield option == null ? e.getMessage() : optionName(option) + " " + mustBe(option, e);
            }
        };
    }

    private static String optionName(ArgSpec argument) {
        return argument instanceof OptionSpec option ? option.longestName() : argument.paramLabel();
    }

    private static String mustBe(ArgSpec option, ParameterException e) {
        int own = e.getMessage().indexOf("must be ");
        if (own >= 0) {
            return e.getMessage().substring(own);
        }
        Class<?> type = option.typeInfo().getType();
        Class<?> element = option.typeInfo().isMultiValue() ? option.typeInfo().getAuxiliaryTypes()[0] : type;
        String kind;
        if (element.isEnum()) {
            kind = "must be one of "
                    + Arrays.stream(element.getEnumConstants())
                            .map(OptionValues::text)
                            .collect(joining(", "));
        } else if (type == List.class || WHOLE_NUMBERS.contains(type)) {
            kind = "must be a whole number";
        } else if (type == double.class || type == Double.class) {
            kind = "must be a number";
        } else if (element == boolean.class) {
            kind = "must be true or false";
        } else {
            kind = "must look like " + option.paramLabel();
        }
        return kind + (e.getValue() == null ? "" : ", not " + e.getValue());
    }

    /** The long names of all options, without their dashes, behind a prefix. */
    public static List<String> optionNames(CommandLine commandLine, String prefix) {
        return commandLine.getCommandSpec().options().stream()
                .map(option -> prefix + OptionValues.name(option))
                .collect(Collectors.toCollection(ArrayList::new));
    }

    /** {@code "; did you mean x?"} where a known name is near. */
    public static String suggestion(String name, Collection<String> known) {
        return nearest(name, known)
                .map(candidate -> "; did you mean " + candidate + "?")
                .orElse(" (--help shows every option)");
    }

    /** The known name that is most like a given one; empty if none is near. */
    public static Optional<String> nearest(String name, Collection<String> known) {
        String lowered = name.toLowerCase(Locale.ROOT).replace('_', '-');
        return known.stream()
                .min(java.util.Comparator.comparingInt(candidate -> editDistance(lowered, candidate)))
                .filter(candidate -> editDistance(lowered, candidate) <= Math.max(2, candidate.length() / 3));
    }

    /** Names, the one first that is most like a given one. */
    public static List<String> closestFirst(String name, List<String> names) {
        String lowered = name.toLowerCase(Locale.ROOT);
        return names.stream()
                .sorted(java.util.Comparator.comparingInt(
                        candidate -> editDistance(lowered, candidate.toLowerCase(Locale.ROOT))))
                .toList();
    }

    /** Levenshtein's distance. */
    private static int editDistance(String a, String b) {
        int[] previous = new int[b.length() + 1];
        Arrays.setAll(previous, i -> i);
        for (int i = 1; i <= a.length(); i++) {
            int[] current = new int[b.length() + 1];
            current[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int replaced = previous[j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                current[j] = Math.min(replaced, Math.min(previous[j], current[j - 1]) + 1);
            }
            previous = current;
        }
        return previous[b.length()];
    }
}
