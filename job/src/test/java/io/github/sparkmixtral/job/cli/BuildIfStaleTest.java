package io.github.sparkmixtral.job.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.spi.ToolProvider;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code job/bin/build-if-stale} in a source tree whose build only copies a jar over the one that is there, as Maven does. */
class BuildIfStaleTest {
    private static final String JDK = System.getProperty("java.home");

    @TempDir
    private Path directory;

    private Path root;
    private Path next;

    @BeforeEach
    void layOutASourceTree() throws IOException {
        root = directory.resolve("a source tree");
        next = directory.resolve("next.jar");
        for (String folder : List.of("job/bin", "job/src/main", "kernels/engine/src/main", "conf")) {
            Files.createDirectories(root.resolve(folder));
        }
        for (String pom : List.of("pom.xml", "job/pom.xml", "kernels/engine/pom.xml")) {
            Files.createFile(root.resolve(pom));
        }
        Files.copy(Path.of("bin/build-if-stale"), root.resolve("job/bin/build-if-stale"));
        Files.writeString(root.resolve("mvnw"), """
                #!/bin/sh
                echo built >>builds
                sleep 0.2
                cat '%s' >job/target/spark-mixtral.jar
                echo library >job/target/onednn.jar
                printf '%s' >job/target/spark.classpath
                """.formatted(next, root.resolve("pom.xml")));
        assertThat(root.resolve("mvnw").toFile().setExecutable(true)).isTrue();
        makeJar("first");
    }

    /** A program that loads a class when it is told to, which prints the word. */
    private void makeJar(String word) throws IOException {
        Path sources = Files.createDirectories(directory.resolve("sources"));
        Path source = Files.writeString(sources.resolve("Early.java"), """
                class Early {
                    public static void main(String[] a) throws Exception {
                        System.out.println("started");
                        System.in.read();
                        System.out.println(Late.word());
                    }
                }
                class Late {
                    static String word() {
                        return "%s";
                    }
                }
                """.formatted(word));
        int exitCode = ToolProvider.findFirst("javac")
                .orElseThrow()
                .run(System.out, System.err, "-d", sources.toString(), source.toString());
        assertThat(exitCode).isZero();
        Path jar = directory.resolve("made.jar");
        try (OutputStream file = Files.newOutputStream(jar);
                JarOutputStream out = new JarOutputStream(file)) {
            for (String name : List.of(word + ".txt", "Early.class", "Late.class")) {
                out.putNextEntry(new JarEntry(name));
                if (name.endsWith(".class")) {
                    Files.copy(sources.resolve(name), out);
                } else {
                    out.write(new byte[10_000]);
                }
            }
        }
        Files.move(jar, next, StandardCopyOption.REPLACE_EXISTING);
    }

    private Process start() throws IOException {
        ProcessBuilder builder = new ProcessBuilder(
                        root.resolve("job/bin/build-if-stale").toString())
                .redirectError(directory.resolve("errors").toFile());
        builder.environment().put("JAVA_HOME", JDK);
        return builder.start();
    }

    private static Path folder(Process process) throws Exception {
        try (BufferedReader out = process.inputReader()) {
            Path folder = Path.of(out.readLine());
            assertThat(process.waitFor()).isZero();
            return folder;
        }
    }

    /** Changes a source, so that the next run builds. */
    private Path rebuilt(String word) throws Exception {
        makeJar(word);
        Files.setLastModifiedTime(root.resolve("pom.xml"), FileTime.fromMillis(System.currentTimeMillis()));
        return folder(start());
    }

    /** Runs the jar of a folder as the launcher does, with the lock that keeps the folder. */
    private static Process program(Path home) throws IOException {
        String script = "exec 8<\"$1/in-use\"; if command -v flock >/dev/null; then flock -s 8; fi;"
                + " exec \"$2/bin/java\" -cp \"$1/lib/spark-mixtral.jar\" Early";
        return new ProcessBuilder("bash", "-c", script, "bash", home.toString(), JDK)
                .redirectErrorStream(true)
                .start();
    }

    @Test
    void aProgramThatRunsLoadsItsOwnClassesAfterABuild() throws Exception {
        Path before = folder(start());
        Process program = program(before);
        try (BufferedReader out = program.inputReader()) {
            assertThat(out.readLine()).isEqualTo("started");

            Path after = rebuilt("second");

            assertThat(after).isNotEqualTo(before);
            program.outputWriter().append('\n').close();
            assertThat(out.readLine()).isEqualTo("first");
            assertThat(program.waitFor()).isZero();
            assertThat(after.resolve("lib/spark/jars/pom.xml")).isSymbolicLink();
            assertThat(after.resolve("lib/onednn.jar")).hasContent("library");
        } finally {
            program.destroyForcibly();
        }
    }

    @Test
    void twoFirstRunsAtOnceBuildOnce() throws Exception {
        Process one = start();
        Process other = start();

        assertThat(folder(one)).isEqualTo(folder(other)).isDirectory();
        assertThat(folder(start())).isDirectory();
        assertThat(root.resolve("builds")).hasContent("built");
    }

    @Test
    void copiesThatNoJobRunsFromAreRemoved() throws Exception {
        Path first = folder(start());
        Process program = program(first);
        try (BufferedReader out = program.inputReader()) {
            assertThat(out.readLine()).isEqualTo("started");
            Path second = rebuilt("second");
            Path third = rebuilt("third");
            Path fourth = rebuilt("fourth");

            assertThat(first).isDirectory();
            assertThat(second).doesNotExist();
            assertThat(third).isDirectory();
            assertThat(fourth).isDirectory();
        } finally {
            program.destroyForcibly();
        }
        assertThat(program.waitFor(10, TimeUnit.SECONDS)).isTrue();
        rebuilt("fifth");
        assertThat(first).doesNotExist();
    }

    @Test
    void aJarThatIsBeingWrittenGivesOneSentence() throws Exception {
        Files.writeString(next, "half a jar");

        Process process = start();

        assertThat(process.waitFor()).isEqualTo(1);
        assertThat(Files.readAllLines(directory.resolve("errors")).getLast())
                .endsWith("spark-mixtral.jar is not whole: wait for the build that is writing it, then start again");
    }

    @Test
    void aBuildThatWasBrokenOffIsMadeAnew() throws Exception {
        folder(start());
        Path unfinished = root.resolve("job/target/build.unfinished");
        assertThat(unfinished).doesNotExist();
        // What a build leaves that is killed.
        Files.createFile(unfinished);

        folder(start());

        assertThat(Files.readAllLines(root.resolve("builds"))).hasSize(2);
        assertThat(unfinished).doesNotExist();
    }
}
