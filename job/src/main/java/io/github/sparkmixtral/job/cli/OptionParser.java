package io.github.sparkmixtral.job.cli;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.Arguments;
import io.github.sparkmixtral.job.options.GenerationArguments;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.OptionValues;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.ParseResult;

/**
 * Reads the command line and the {@code --config} file. The file's entries are turned into arguments of the same parser, those
 * that the command line gives left out: so both have the same names, types and checks, and the command line wins.
 */
public final class OptionParser {
    private static final YAMLMapper YAML = new YAMLMapper(YAMLFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build());

    private OptionParser() {}

    /**
     * The settings of a job; empty where {@code --help} or {@code --version} was asked for, which is then printed.
     *
     * @throws JobException with exit code 2 and one sentence for the first fault
     */
    public static Optional<JobOptions> parse(String[] arguments, PrintWriter out) {
        return parse(arguments, CommandLineOptions::new, out);
    }

    /** @param command makes options that are all at their defaults */
    static <T> Optional<T> parse(String[] arguments, Supplier<? extends WrittenOptions<T>> command, PrintWriter out) {
        CommandLine commandLine = commandLine(command);
        ParseResult given = Arguments.parse(commandLine, Arrays.asList(arguments), "");
        WrittenOptions<T> options = commandLine.getCommand();
        if (given.isUsageHelpRequested()) {
            options.help().print(commandLine, out);
            return Optional.empty();
        }
        if (given.isVersionHelpRequested()) {
            commandLine.printVersionHelp(out);
            out.flush();
            return Optional.empty();
        }
        Optional<Path> file = options.configFile();
        if (file.isPresent()) {
            Set<String> names =
                    given.matchedOptions().stream().map(OptionValues::name).collect(Collectors.toSet());
            // Parsed alone first, so that a fault in the file is told as one of the file.
            List<String> fromFile = argumentsOf(file.get(), commandLine, names);
            Arguments.parse(commandLine(command), fromFile, " (in " + file.get() + ")");
            commandLine = commandLine(command);
            Arguments.parse(
                    commandLine,
                    Stream.concat(fromFile.stream(), Arrays.stream(arguments)).toList(),
                    "");
            options = commandLine.getCommand();
        }
        return Optional.of(options.resolve());
    }

    private static CommandLine commandLine(Supplier<? extends WrittenOptions<?>> command) {
        return Arguments.commandLine(new CommandLine(command.get()));
    }

    private static List<String> argumentsOf(Path file, CommandLine commandLine, Set<String> overridden) {
        JsonNode root = read(file);
        if (root.isMissingNode() || root.isNull()) {
            return List.of();
        }
        if (!root.isObject()) {
            throw JobException.usage("--config " + file + " must hold one mapping of option names to values");
        }
        List<String> known = Arguments.optionNames(commandLine, "");
        known.removeAll(List.of("config", "help", "version"));
        List<String> arguments = new ArrayList<>();
        Set<String> seen = new java.util.HashSet<>();
        root.properties().forEach(entry -> {
            String name = entry.getKey().replace('_', '-');
            if (!known.contains(name)) {
                throw JobException.usage("unknown option " + entry.getKey() + " in " + file
                        + Arguments.suggestion(entry.getKey(), known));
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
        } else if (value.isObject() && GenerationArguments.FORMATS.contains("--" + name)) {
            arguments.add("--" + name + "=" + value);
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
}
