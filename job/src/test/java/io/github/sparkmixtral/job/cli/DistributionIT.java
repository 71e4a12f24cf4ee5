package io.github.sparkmixtral.job.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The archive, unpacked where there is nothing but a JDK. */
class DistributionIT {
    @TempDir
    Path directory;

    @Test
    void runsTheDemoFromAnEmptyFolder() throws Exception {
        Path folder = Files.createDirectories(directory.resolve("an empty folder"));
        assertThat(run(folder, "tar", "-xzf", archive().toString())).isZero();
        Path home;
        try (Stream<Path> unpacked = Files.list(folder)) {
            home = unpacked.toList().getFirst();
        }
        assertThat(home.resolve("bin")).isDirectoryNotContaining("glob:**/build-if-stale");
        assertThat(copiedIntoTheImage(home.resolve("conf/kubernetes/Containerfile")))
                .isNotEmpty()
                .allSatisfy(source -> assertThat(home.resolve(source)).exists());
        Path command = Files.createSymbolicLink(directory.resolve("command"), home.resolve("bin/spark-mixtral"));
        assertThat(run(directory, "chmod", "-R", "a-w", home.toString())).isZero();

        int exitCode = run(directory, command.toString(), "demo");

        assertThat(run(directory, "chmod", "-R", "u+w", home.toString())).isZero();
        List<String> err = Files.readAllLines(directory.resolve("command.err"));
        assertThat(exitCode).as(String.join("\n", err)).isZero();
        assertThat(err.getLast()).endsWith("The answers are in demo-answers-retrieval");
        assertThat(Files.readString(directory.resolve("command.out")))
                .contains("The answers go to demo-answers in this folder.", "|passkey_1000 ", "|all ");
        assertThat(List.of("", "-agent", "-calls", "-retrieval"))
                .allSatisfy(table -> assertThat(directory.resolve("demo-answers" + table + "/_SUCCESS"))
                        .exists());
    }

    /** What a build takes out of its context, which is an installation. */
    private static List<String> copiedIntoTheImage(Path containerfile) throws Exception {
        return Files.readAllLines(containerfile).stream()
                .filter(line -> line.startsWith("COPY ") && !line.contains("--from="))
                .map(line -> line.split(" "))
                .flatMap(words -> Arrays.stream(words, 1, words.length - 1))
                .toList();
    }

    private static Path archive() throws Exception {
        try (Stream<Path> files = Files.list(Path.of("target"))) {
            return files.filter(file -> file.getFileName().toString().matches("spark-mixtral-.*\\.tar\\.gz"))
                    .findFirst()
                    .orElseThrow()
                    .toAbsolutePath();
        }
    }

    /** The exit code of a command that finds a JDK and a home in its environment, and nothing else. */
    private int run(Path folder, String... command) throws Exception {
        String name = Path.of(command[0]).getFileName().toString();
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectOutput(file(name + ".out"))
                .redirectError(file(name + ".err"));
        builder.environment().clear();
        builder.environment()
                .put("PATH", Path.of(System.getProperty("java.home"), "bin") + ":" + System.getenv("PATH"));
        builder.environment().put("HOME", directory.resolve("home").toString());
        return builder.start().waitFor();
    }

    private File file(String name) {
        return directory.resolve(name).toFile();
    }
}
