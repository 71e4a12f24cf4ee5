package io.github.sparkmixtral.job;

import static java.util.stream.Collectors.joining;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.OverwrittenOptionException;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * Reads the command line and the {@code --config} file. The file's entries are turned into arguments of the same parser, those
 * that the command line gives left out: so both have the same names, types and checks, and the command line wins.
 */
final class OptionParser {
    private static final YAMLMapper YAML = new YAMLMapper(YAMLFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build());

    private OptionParser() {}

    /**
     * The settings of a job; empty where {@code --help} or {@code --version} was asked for, which is then printed.
     *
     * @throws JobException with exit code 2 and one sentence for the first fault
     */
    static Optional<JobOptions> parse(String[] arguments, PrintWriter out) {
        CommandLine commandLine = commandLine();
        ParseResult given = parse(commandLine, Arrays.asList(arguments), "");
        if (given.isUsageHelpRequested()) {
            Help.print(commandLine, out);
            return Optional.empty();
        }
        if (given.isVersionHelpRequested()) {
            commandLine.printVersionHelp(out);
            out.flush();
            return Optional.empty();
        }
        CommandLineOptions options = commandLine.getCommand();
        Optional<Path> file = options.configFile();
        if (file.isPresent()) {
            Set<String> names =
                    given.matchedOptions().stream().map(OptionValues::name).collect(Collectors.toSet());
            // Parsed alone first, so that a fault in the file is told as one of the file.
            List<String> fromFile = argumentsOf(file.get(), commandLine, names);
            parse(commandLine(), fromFile, " (in " + file.get() + ")");
            commandLine = commandLine();
            parse(
                    commandLine,
                    Stream.concat(fromFile.stream(), Arrays.stream(arguments)).toList(),
                    "");
            options = commandLine.getCommand();
        }
        return Optional.of(options.resolve());
    }

    private static CommandLine commandLine() {
        return new CommandLine(new CommandLineOptions())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setExpandAtFiles(false)
                .setInterpolateVariables(false)
                .setTrimQuotes(false);
    }

    private static ParseResult parse(CommandLine commandLine, List<String> arguments, String place) {
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
                missing.getMissing().stream().map(OptionParser::optionName).collect(joining(", ")) + " needs a value";
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
        } else if (type == List.class || element == int.class || element == long.class) {
            kind = "must be a whole number";
        } else if (element == double.class) {
            kind = "must be a number";
        } else if (element == boolean.class) {
            kind = "must be true or false";
        } else {
            kind = "must look like " + option.paramLabel();
        }
        return kind + (e.getValue() == null ? "" : ", not " + e.getValue());
    }

    private static List<String> argumentsOf(Path file, CommandLine commandLine, Set<String> overridden) {
        JsonNode root = read(file);
        if (root.isMissingNode() || root.isNull()) {
            return List.of();
        }
        if (!root.isObject()) {
            throw JobException.usage("--config " + file + " must hold one mapping of option names to values");
        }
        List<String> known = optionNames(commandLine, "");
        known.removeAll(List.of("config", "help", "version"));
        List<String> arguments = new ArrayList<>();
        Set<String> seen = new java.util.HashSet<>();
        root.properties().forEach(entry -> {
            String name = entry.getKey().replace('_', '-');
            if (!known.contains(name)) {
                throw JobException.usage(
                        "unknown option " + entry.getKey() + " in " + file + suggestion(entry.getKey(), known));
            }
            if (!seen.add(name)) {
                throw JobException.usage(name + " is given more than once in " + file);
            }
            if (!overridden.contains(name)) {
                addArguments(name, entry.getValue(), file, arguments);
            }
        });
        return arguments;
    }

    private static void addArguments(String name, JsonNode value, Path file, List<String> arguments) {
        if (value.isNull()) {
            return;
        }
        if (value.isArray()) {
            value.forEach(item -> addScalar(name, "", item, file, arguments));
        } else if (value.isObject() && name.equals("logit-bias")) {
            value.properties()
                    .forEach(entry -> addScalar(name, entry.getKey() + "=", entry.getValue(), file, arguments));
        } else {
            addScalar(name, "", value, file, arguments);
        }
    }

    private static void addScalar(String name, String prefix, JsonNode value, Path file, List<String> arguments) {
        if (!value.isValueNode() || value.isNull()) {
            throw JobException.usage(name + " in " + file + " must be a single value or a list of them, not " + value);
        }
        arguments.add("--" + name + "=" + prefix + value.asText());
    }

    private static JsonNode read(Path file) {
        if (!Files.isRegularFile(file)) {
            throw JobException.usage("--config names no file: " + file);
        }
        try {
            return YAML.readTree(file.toFile());
        } catch (JacksonException e) {
            String place =
                    e.getLocation() == null ? "" : " at line " + e.getLocation().getLineNr();
            throw JobException.usage("--config " + file + " is not valid YAML" + place + ": "
                    + e.getOriginalMessage().lines().findFirst().orElse(""));
        } catch (IOException e) {
            throw JobException.usage("--config " + file + " cannot be read: " + e.getMessage());
        }
    }

    private static List<String> optionNames(CommandLine commandLine, String prefix) {
        return commandLine.getCommandSpec().options().stream()
                .map(option -> prefix + OptionValues.name(option))
                .collect(Collectors.toCollection(ArrayList::new));
    }

    /** {@code "; did you mean x?"} where a known name is near. */
    static String suggestion(String name, Collection<String> known) {
        String lowered = name.toLowerCase(Locale.ROOT).replace('_', '-');
        return known.stream()
                .min(java.util.Comparator.comparingInt(candidate -> editDistance(lowered, candidate)))
                .filter(candidate -> editDistance(lowered, candidate) <= Math.max(2, candidate.length() / 3))
                .map(candidate -> "; did you mean " + candidate + "?")
                .orElse(" (--help shows every option)");
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
