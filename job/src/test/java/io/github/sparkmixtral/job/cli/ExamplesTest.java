package io.github.sparkmixtral.job.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Runs the job files of {@code conf/examples}, with another output. */
class ExamplesTest {
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
    private static final Path EXAMPLES = ROOT.resolve("conf").resolve("examples");
    private static final String NOT_RUN = "No test runs this file";

    @TempDir
    private Path directory;

    static List<String> examples() throws IOException {
        try (Stream<Path> files = Files.list(EXAMPLES)) {
            List<String> names = new ArrayList<>();
            for (Path file : files.sorted().toList()) {
                if (file.toString().endsWith(".yaml")
                        && !Files.readString(file).replaceAll("\n# *", " ").contains(NOT_RUN)) {
                    names.add(file.getFileName().toString());
                }
            }
            return names;
        }
    }

    @ParameterizedTest
    @MethodSource("examples")
    void exampleRuns(String name) throws IOException {
        Path file = EXAMPLES.resolve(name);
        assertThat(Files.readString(file).replaceAll("\n# *", " "))
                .contains("job/bin/spark-mixtral --config conf/examples/" + name);
        Path output = directory.resolve("out");
        List<Object> arguments = new ArrayList<>(List.of("--config", file, "--output", output));
        // The files' paths begin at the repository's root, in which tests do not run.
        for (Map.Entry<String, JsonNode> option :
                new YAMLMapper().readTree(file.toFile()).properties()) {
            if (List.of("model", "input", "documents").contains(option.getKey())) {
                arguments.addAll(List.of(
                        "--" + option.getKey(), ROOT.resolve(option.getValue().asText())));
            }
        }
        Outcome outcome = SparkFixture.run(arguments.toArray());
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        JsonNode rows = new ObjectMapper()
                .readTree(output.resolve("_manifest.json").toFile())
                .path("rows");
        assertThat(rows.path("total").asInt()).isPositive();
        assertThat(rows.path("failed").asInt()).isEqualTo(name.equals("batch.yaml") ? 1 : 0);
    }

    @Test
    void thereIsAnExampleForEachTask() throws IOException {
        assertThat(examples())
                .contains("agent.yaml", "batch.yaml", "classify.yaml", "embed.yaml", "json.yaml")
                .contains("retrieval.yaml", "score.yaml");
    }
}
