package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.MODEL;
import static io.github.sparkmixtral.job.SparkFixture.generate;
import static io.github.sparkmixtral.job.SparkFixture.rows;
import static io.github.sparkmixtral.job.SparkFixture.run;
import static io.github.sparkmixtral.job.SparkFixture.spark;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.Mixtral;
import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.model.HubServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A whole job on a model of the Hugging Face Hub. */
class HubJobTest {
    private static final String MOVED = "b".repeat(40);

    @TempDir
    private Path directory;

    private final HubServer hub = new HubServer();
    private Path input;
    private Path output;
    private Path cache;

    @BeforeEach
    void serveTheDemo() throws IOException {
        hub.put("gguf/model.gguf", MODEL);
        hub.wanted = HubServer.TOKEN;
        // As a driver's environment says it.
        settings().set("spark-mixtral.hub.endpoint", hub.endpoint());
        settings().set("spark-mixtral.hub.token", HubServer.TOKEN);
        input = write(directory.resolve("p.jsonl"), "{\"prompt\":\"one\"}", "{\"prompt\":\"two\"}");
        output = directory.resolve("out");
        cache = directory.resolve("cache");
    }

    @AfterEach
    void close() {
        settings().unset("spark-mixtral.hub.endpoint");
        settings().unset("spark-mixtral.hub.token");
        hub.close();
    }

    private static Configuration settings() {
        return spark().sparkContext().hadoopConfiguration();
    }

    private Outcome answer(String model) {
        return run(
                "--model",
                model,
                "--model-cache",
                cache,
                "--input",
                input,
                "--output",
                output,
                "--temperature",
                0,
                "--max-tokens",
                4);
    }

    private static List<String> texts(Path output) {
        return rows(output).stream()
                .map(row -> row.<String>getAs("generated_text"))
                .toList();
    }

    @Test
    void jobAnswersAsWithTheFileItself() throws IOException {
        Path local = directory.resolve("local");
        assertThat(generate(input, local).exitCode()).isEqualTo(ExitCode.DONE);

        Outcome outcome = answer("hf:tests/tiny@main");

        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(texts(output)).isEqualTo(texts(local));
        assertThat(rows(output)).extracting(row -> row.<String>getAs("model")).containsOnly("model.gguf");
        JsonNode manifest =
                new JsonMapper().readTree(output.resolve("_manifest.json").toFile());
        assertThat(manifest.path("model").path("path").asText())
                .isEqualTo("hf://tests/tiny@" + HubServer.COMMIT + "/gguf/model.gguf");
        for (Path file : List.of(output.resolve("_manifest.json"), output.resolve("_job.json"))) {
            assertThat(file).content().doesNotContain(HubServer.TOKEN);
        }
        assertThat(spark().sparkContext().getConf().toDebugString()).doesNotContain(HubServer.TOKEN);
        try (Stream<Path> files = Files.walk(cache)) {
            assertThat(files.filter(Files::isRegularFile)
                            .filter(file -> !file.toString().endsWith(".gguf")))
                    .isNotEmpty()
                    .allSatisfy(file -> assertThat(file).content().doesNotContain(HubServer.TOKEN));
        }

        hub.move(MOVED);
        Outcome moved = answer("hf:tests/tiny@main");
        assertThat(moved.exitCode()).isEqualTo(ExitCode.OUTPUT_EXISTS);
        assertThat(moved.lastLine())
                .contains("the model is another one (commit " + HubServer.COMMIT + ", not " + MOVED + ": add @"
                        + HubServer.COMMIT + " to keep to it)");
        Outcome kept = answer("hf:tests/tiny@" + HubServer.COMMIT);
        assertThat(kept.exitCode()).isEqualTo(ExitCode.DONE);
    }

    @Test
    void apiAndSqlTakeThemToo() {
        Map<String, Object> options = Map.of("model_cache", cache.toString(), "temperature", 0, "max_tokens", 4);
        String expected = Mixtral.load(spark(), MODEL.toString(), options).ask("one");

        try (Mixtral mixtral = Mixtral.load(spark(), "tests/tiny", options)) {
            hub.move("a".repeat(40));
            assertThat(mixtral.with("seed", 3).ask("one")).isEqualTo(expected);
            // What Spark shows of the query.
            assertThat(mixtral.generate(spark().read().json(input.toString()))
                            .queryExecution()
                            .toString())
                    .doesNotContain(HubServer.TOKEN);
        }
        spark().conf().set("spark.mixtral.models.hub", "tests/tiny");
        spark().conf().set("spark.mixtral.models.hub.model_cache", cache.toString());
        try {
            Row row = spark().sql("select ai_query('hub', 'one', modelParameters =>"
                            + " named_struct('max_tokens', 4, 'temperature', 0.0))")
                    .head();
            assertThat(row.getString(0)).isEqualTo(expected);
        } finally {
            spark().conf().unset("spark.mixtral.models.hub");
            spark().conf().unset("spark.mixtral.models.hub.model_cache");
        }
    }

    @Test
    void modelThatIsNotThereEndsTheJobWithOneSentence() {
        Outcome outcome = answer("tests/none");

        assertThat(outcome.exitCode()).isEqualTo(ExitCode.MODEL_UNUSABLE);
        assertThat(outcome.lastLine())
                .isEqualTo("spark-mixtral: no such model or revision: there is neither a path tests/none nor a model "
                        + hub.endpoint() + "/tests/none@main that the token may read: check the name and HF_TOKEN");
        Outcome typo = answer("hf:none");
        assertThat(typo.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(output).doesNotExist();
    }
}
