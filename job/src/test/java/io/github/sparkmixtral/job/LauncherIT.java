package io.github.sparkmixtral.job;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Starts {@code job/bin/spark-mixtral} as a user does, on the jar that was just built. */
class LauncherIT {
    private static final Path LAUNCHER = Path.of("bin", "spark-mixtral").toAbsolutePath();

    @TempDir
    Path directory;

    /** What a process left behind. */
    private record Run(int exitCode, String out, List<String> err) {
        String lastLine() {
            return err.getLast();
        }
    }

    private Run launch(String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(LAUNCHER.toString()));
        command.addAll(List.of(arguments));
        File out = directory.resolve("out.txt").toFile();
        File err = directory.resolve("err.txt").toFile();
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectOutput(out)
                .redirectError(err);
        // The Spark that was tested is the one of the build, whatever is installed here.
        builder.environment().remove("SPARK_HOME");
        int exitCode = builder.start().waitFor();
        return new Run(exitCode, Files.readString(out.toPath()), Files.readAllLines(err.toPath()));
    }

    @Test
    void theDemoAnswersEveryPromptAndScoresTheAnswers() throws Exception {
        Path answers = directory.resolve("answers");

        Run run = launch("demo", "--output", answers.toString());

        assertThat(run.exitCode()).as(String.join("\n", run.err())).isZero();
        assertThat(run.out()).contains("custom_id", "answer", "expected", "finish_reason");
        assertThat(run.lastLine()).endsWith("The answers are in " + answers);
        assertThat(answers.resolve("_SUCCESS")).exists();
        JsonNode manifest =
                new JsonMapper().readTree(answers.resolve("_manifest.json").toFile());
        assertThat(manifest.at("/rows/total").asInt()).isEqualTo(109);
        assertThat(manifest.at("/rows/answered").asInt()).isEqualTo(109);
        assertThat(manifest.at("/score/rows").asInt()).isEqualTo(109);
        assertThat(manifest.at("/score/groups")).hasSize(20);
        assertThat(run.out()).contains("|kind ", "|passkey_1000 ", "|all ");
    }

    @Test
    void optionsBeforeTheDashesGoToSparkSubmit() throws Exception {
        Run run = launch("--master", "nonsense", "--", "demo", "--output", "answers");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.err()).anySatisfy(line -> assertThat(line).contains("Master must"));
    }

    @Test
    void wrongUseEndsWithItsExitCodeAndOneSentence() throws Exception {
        Run run = launch("demo", "--output", "answers", "--top-p", "3");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.lastLine()).isEqualTo("spark-mixtral: --top-p must be in (0, 1], not 3");
        assertThat(directory.resolve("answers")).doesNotExist();
    }

    @Test
    void argumentsKeepTheirSpacesAndQuotes() throws Exception {
        Run run = launch("--model", "no such 'model' here", "--input", "x.txt", "--output", "y");

        assertThat(run.exitCode()).isEqualTo(4);
        assertThat(run.lastLine()).isEqualTo("spark-mixtral: no such model: no such 'model' here");
    }
}
