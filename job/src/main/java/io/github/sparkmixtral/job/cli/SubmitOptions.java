package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.fault.JobException;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.zip.CRC32;

/** The options for spark-submit: the user's own, and those that are added beside them. */
final class SubmitOptions {
    private static final String PROPERTIES_FILE = "--properties-file";

    private final List<String> options = new ArrayList<>();
    private final Properties files = new Properties();
    private Path propertiesFile;

    /**
     * The user's options.
     *
     * @param defaults Spark's own file of properties, which may be missing
     */
    SubmitOptions(List<String> own, Path defaults, Installation installation) {
        propertiesFile = installation.conf("spark-defaults.conf");
        Optional<String> ownFile = Optional.empty();
        for (Iterator<String> words = own.iterator(); words.hasNext(); ) {
            String word = words.next();
            if (word.equals(PROPERTIES_FILE) && words.hasNext()) {
                ownFile = Optional.of(words.next());
            } else if (word.startsWith(PROPERTIES_FILE + "=")) {
                ownFile = Optional.of(word.substring(PROPERTIES_FILE.length() + 1));
            } else {
                options.add(word);
            }
        }
        ownFile.ifPresent(file -> propertiesFile = merged(propertiesFile, file, installation));
        for (Path file : List.of(defaults, propertiesFile)) {
            if (Files.isReadable(file)) {
                try (Reader reader = new InputStreamReader(Files.newInputStream(file), StandardCharsets.UTF_8)) {
                    files.load(reader);
                } catch (IOException | IllegalArgumentException e) {
                    throw JobException.usage(file + " cannot be read as properties: " + e.getMessage());
                }
            }
        }
    }

    /** spark-submit takes one file of properties: the user's comes behind ours in it, and wins. */
    private static Path merged(Path ours, String own, Installation installation) {
        if (!Files.isReadable(Path.of(own)) || Files.isDirectory(Path.of(own))) {
            throw JobException.usage(PROPERTIES_FILE + " " + own + " cannot be read");
        }
        try {
            // Byte by byte: what a file holds is Spark's to read.
            String both = Files.readString(ours, StandardCharsets.ISO_8859_1) + "\n"
                    + Files.readString(Path.of(own), StandardCharsets.ISO_8859_1)
                            .stripTrailing() + "\n";
            byte[] bytes = both.getBytes(StandardCharsets.ISO_8859_1);
            CRC32 sum = new CRC32();
            sum.update(bytes);
            return installation.write("properties-" + sum.getValue() + "-" + bytes.length + ".conf", bytes);
        } catch (IOException e) {
            throw JobException.usage(PROPERTIES_FILE + " " + own + " cannot be read: " + e.getMessage());
        }
    }

    /**
     * What a property is set to, empty if it is not: by {@code --conf} or an option of its own, or in a file.
     *
     * @param option the option, such as {@code --jars}; {@code --conf} where it has none
     */
    String property(String name, String option) {
        String value = files.getProperty(name, "").strip();
        for (int i = 0; i < options.size(); i++) {
            String word = options.get(i);
            if (word.startsWith(name + "=")) {
                value = word.substring(name.length() + 1);
            } else if (word.startsWith("--conf=" + name + "=")) {
                value = word.substring("--conf=".length() + name.length() + 1);
            } else if (!option.equals("--conf") && word.startsWith(option + "=")) {
                value = word.substring(option.length() + 1);
            } else if (!option.equals("--conf") && word.equals(option) && i + 1 < options.size()) {
                value = options.get(i + 1);
            }
        }
        return value;
    }

    /** Sets a property with {@code --conf}. */
    void set(String name, String value) {
        options.addAll(List.of("--conf", name + "=" + value));
    }

    /** Puts a path before those that a property holds, joined by {@code separator}. */
    void prepend(String name, String option, String path, String separator) {
        String own = property(name, option);
        String value = own.isEmpty() ? path : path + separator + own;
        if (option.equals("--conf")) {
            set(name, value);
        } else {
            options.addAll(List.of(option, value));
        }
    }

    /** All of them, as spark-submit takes them. */
    List<String> words() {
        List<String> words =
                new ArrayList<>(List.of(PROPERTIES_FILE, propertiesFile.toString(), "--load-spark-defaults"));
        words.addAll(options);
        return words;
    }
}
