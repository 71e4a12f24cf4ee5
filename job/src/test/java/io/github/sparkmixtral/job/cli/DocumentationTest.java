package io.github.sparkmixtral.job.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import io.github.sparkmixtral.job.fault.JobException;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The pages of the repository: their links lead somewhere, and their commands are ones that the job takes. */
class DocumentationTest {
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();

    /** Not images of other sites, and not code. */
    private static final Pattern LINK = Pattern.compile("]\\(([^)\\s]+)\\)");

    private static final Pattern INLINE_COMMAND = Pattern.compile("`(job/bin/spark-mixtral [^`]+)`");
    private static final Pattern WORD = Pattern.compile("'([^']*)'|\\S+");

    @TempDir
    private Path directory;

    @Test
    void theFrontPageIsShort() throws IOException {
        assertThat(Files.readAllLines(ROOT.resolve("README.md"))).hasSizeLessThanOrEqualTo(150);
    }

    @ParameterizedTest
    @MethodSource("pages")
    void everyLinkLeadsSomewhere(Path page) throws IOException {
        List<String> broken = new ArrayList<>();
        for (String link : links(page)) {
            if (!link.matches("[a-z]+:.*") && !leadsSomewhere(page, link)) {
                broken.add(link);
            }
        }
        assertThat(broken).as("links of " + page + " that lead nowhere").isEmpty();
    }

    @ParameterizedTest
    @MethodSource("pages")
    void everyCommandIsOneThatTheJobTakes(Path page) throws IOException {
        for (String command : commands(page)) {
            List<String> words = words(command);
            String program = words.removeFirst();
            if (program.equals("job/bin/spark-mixtral") || program.equals("spark-mixtral")) {
                assertThatCode(() -> parse(words)).as(page + ": " + command).doesNotThrowAnyException();
            } else if (words.contains("job/target/spark-mixtral.jar")) {
                List<String> job = words.subList(words.indexOf("job/target/spark-mixtral.jar") + 1, words.size());
                assertThatCode(() -> Subcommand.parse(job.toArray(String[]::new), silent()))
                        .as(page + ": " + command)
                        .doesNotThrowAnyException();
            } else if (program.matches("(\\./mvnw|\\.ci/|job/|kernels/).*")) {
                assertThat(ROOT.resolve(program)).as(page + ": " + command).isExecutable();
            }
        }
    }

    @Test
    void aPageThatIsWrongIsFound() throws IOException {
        Path page = Files.writeString(directory.resolve("page.md"), """
                # A page, and 1,000 `words`
                See [here](#a-page-and-1000-words), [there](#nowhere), [a file](none.md) and [a site](https://example.org).
                ```sh
                # no heading, [no link](at-all.md)
                job/bin/spark-mixtral --model m \\
                    --no-such-option 'two words'   # said beside it
                ```
                """);

        assertThat(links(page)).containsExactly("#a-page-and-1000-words", "#nowhere", "none.md", "https://example.org");
        assertThat(leadsSomewhere(page, "#a-page-and-1000-words")).isTrue();
        assertThat(leadsSomewhere(page, "#nowhere")).isFalse();
        assertThat(leadsSomewhere(page, "none.md")).isFalse();
        assertThat(commands(page)).hasSize(1);
        assertThat(words(commands(page).getFirst()))
                .containsExactly("job/bin/spark-mixtral", "--model", "m", "--no-such-option", "two words");
        assertThatCode(() -> parse(List.of("--model", "m", "--no-such-option", "two words")))
                .isInstanceOf(JobException.class)
                .hasMessageStartingWith("unknown option --no-such-option");
    }

    static List<Path> pages() throws IOException {
        Set<Path> pages = new TreeSet<>();
        Files.walkFileTree(ROOT, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) {
                String name = folder.getFileName().toString();
                boolean ours = folder.equals(ROOT) || !name.equals("target") && !name.startsWith(".");
                return ours ? FileVisitResult.CONTINUE : FileVisitResult.SKIP_SUBTREE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                if (file.toString().endsWith(".md")) {
                    pages.add(ROOT.relativize(file));
                }
                return FileVisitResult.CONTINUE;
            }
        });
        assertThat(pages).contains(Path.of("README.md"), Path.of("CONTRIBUTING.md"), Path.of("job", "README.md"));
        return List.copyOf(pages);
    }

    private static List<String> links(Path page) throws IOException {
        return prose(page).stream()
                .flatMap(line -> LINK.matcher(line.replaceAll("`[^`]*`", "")).results())
                .map(link -> link.group(1))
                .toList();
    }

    private static boolean leadsSomewhere(Path page, String link) throws IOException {
        String[] parts = link.split("#", 2);
        Path target = parts[0].isEmpty()
                ? ROOT.resolve(page)
                : ROOT.resolve(page).resolveSibling(parts[0]).normalize();
        return Files.exists(target) && (parts.length == 1 || anchors(target).contains(parts[1]));
    }

    /** As GitHub makes them of headings. */
    private static List<String> anchors(Path page) throws IOException {
        return prose(page).stream()
                .filter(line -> line.matches("#+ .*"))
                .map(line -> line.replaceFirst("#+ ", "")
                        .strip()
                        .toLowerCase(Locale.ROOT)
                        .replaceAll("[^\\p{L}\\p{N}_ -]", "")
                        .replace(' ', '-'))
                .toList();
    }

    /** The lines that are not in a block of code. */
    private static List<String> prose(Path page) throws IOException {
        return lines(page, false);
    }

    private static List<String> lines(Path page, boolean code) throws IOException {
        List<String> lines = new ArrayList<>();
        boolean inCode = false;
        for (String line : Files.readAllLines(ROOT.resolve(page))) {
            if (line.startsWith("```")) {
                inCode = !inCode;
            } else if (inCode == code) {
                lines.add(line);
            }
        }
        return lines;
    }

    private static List<String> commands(Path page) throws IOException {
        Stream<String> blocks = String.join("\n", lines(page, true))
                .replaceAll("\\\\\n *", "")
                .lines()
                .map(line -> line.replaceAll("(^|\\s)#.*", "").strip())
                .map(line -> line.replaceFirst("^([A-Z0-9_]+=\\S+ +)+", ""))
                .filter(line -> !line.isEmpty());
        Stream<String> inline = prose(page).stream()
                .flatMap(line -> INLINE_COMMAND.matcher(line).results())
                .map(command -> command.group(1));
        return Stream.concat(blocks, inline).toList();
    }

    /** As a shell parts them; files of this repository are named from its root. */
    private static List<String> words(String command) {
        List<String> words = new ArrayList<>();
        for (MatchResult word : WORD.matcher(command).results().toList()) {
            String text = word.group(1) != null ? word.group(1) : word.group();
            words.add(text.startsWith("conf/") ? ROOT.resolve(text).toString() : text);
        }
        return words;
    }

    /** What the launcher and then the job make of it, up to the first look at a model or a table. */
    private void parse(List<String> words) throws IOException {
        Installation installation = new Installation(ROOT, directory, directory.resolve("demo"));
        Submission submission = Submission.of(
                words,
                installation,
                Map.of("SPARK_HOME", directory.toString()),
                new PrintStream(PrintStream.nullOutputStream()));
        List<String> all = submission.arguments();
        String[] job = all.subList(all.indexOf(installation.jar().toString()) + 1, all.size())
                .toArray(String[]::new);
        Subcommand.parse(job, silent());
    }

    private static PrintWriter silent() {
        return new PrintWriter(PrintWriter.nullWriter());
    }
}
