package io.github.sparkmixtral;

import static io.github.sparkmixtral.job.SparkFixture.MODEL;
import static io.github.sparkmixtral.job.SparkFixture.spark;
import static org.apache.spark.sql.functions.countDistinct;
import static org.apache.spark.sql.functions.sum;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MixtralTest {
    private static final String QUESTION = "Name three rivers.";
    private static final Mixtral MIXTRAL =
            Mixtral.load(spark(), MODEL.toString(), Map.of("temperature", 0, "max-tokens", 5));

    @TempDir
    Path directory;

    private static Dataset<Row> table(String... selects) {
        return spark().sql(String.join(" UNION ALL ", selects)).coalesce(1);
    }

    private static List<String> texts(Dataset<Row> answers) {
        return answers.select("generated_text").collectAsList().stream()
                .map(row -> row.getString(0))
                .toList();
    }

    @Test
    void answersLikeTheCommandLine() throws Exception {
        List<String> lines =
                Files.readAllLines(MODEL.resolveSibling("prompts.jsonl")).subList(0, 4);
        Path input = SparkFixture.write(directory.resolve("in.jsonl"), lines.toArray(String[]::new));
        assertThat(SparkFixture.generate(input, directory.resolve("out")).exitCode())
                .isEqualTo(ExitCode.DONE);
        Dataset<Row> answers = MIXTRAL.with("max_tokens", 4)
                .generate(spark().read().json(input.toString()))
                .orderBy("custom_id");
        assertThat(texts(answers))
                .isEqualTo(SparkFixture.rows(directory.resolve("out")).stream()
                        .map(row -> row.<String>getAs("generated_text"))
                        .toList());
    }

    @Test
    void answersWithValuesAndRefusesCutOnes() {
        Mixtral typed = MIXTRAL.with(Map.of(
                "max_tokens",
                64,
                "output_column_type",
                "schema",
                "response_format",
                Map.of(
                        "type",
                        "json_object",
                        "schema",
                        Map.of(
                                "type",
                                "object",
                                "properties",
                                Map.of("sea", Map.of("type", "boolean")),
                                "required",
                                List.of("sea")))));
        Dataset<Row> answers = typed.generate(table("SELECT '" + QUESTION + "' AS prompt"));
        assertThat(answers.schema().apply("parsed").dataType().sql()).isEqualTo("STRUCT<sea: BOOLEAN>");
        assertThat(answers.selectExpr("parsed.sea").first().isNullAt(0)).isFalse();
        // Handed on as it was made, it can be asked by name.
        assertThat(answers.map(
                                (org.apache.spark.api.java.function.MapFunction<Row, Boolean>)
                                        row -> row.<Row>getAs("parsed").<Boolean>getAs("sea"),
                                org.apache.spark.sql.Encoders.BOOLEAN())
                        .first())
                .isNotNull();
        Mixtral strict = typed.with(Map.of("max_tokens", 2, "require_complete", true));
        assertThat(strict.generate(table("SELECT '" + QUESTION + "' AS prompt"))
                        .selectExpr("error.code")
                        .first()
                        .getString(0))
                .isEqualTo("incomplete_json");
        assertThatThrownBy(() -> strict.ask(QUESTION)).hasMessageContaining("the answer was cut before its end");
        assertThatThrownBy(() -> MIXTRAL.with("output_column_type", "schema"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("output_column_type schema needs a JSON schema");
    }

    @Test
    void runsNothingBeforeTheAnswersAreUsed() {
        Dataset<Row> broken = table("SELECT raise_error('used') AS prompt");
        Dataset<Row> answers = MIXTRAL.generate(broken.selectExpr("CAST(prompt AS STRING) AS prompt"));
        assertThatThrownBy(answers::collectAsList).hasMessageContaining("used");
    }

    @Test
    void showsWhichExpertsTheTokensGoTo() {
        String prompt = "What is the English word green in Spanish?";
        Dataset<Row> experts = MIXTRAL.experts(List.of(QUESTION, prompt)).cache();
        int tokens = MIXTRAL.tokens("[INST] " + prompt + " [/INST]").size() + 1;
        assertThat(experts.where("prompt = 1").count()).isEqualTo(4L * tokens * 2);
        // What transformers chooses for the prompt translate-1, see experts.jsonl.
        assertThat(experts.where("prompt = 1 AND layer = 3 AND position < 3").collectAsList())
                .extracting(row -> row.getString(3) + row.getInt(4))
                .containsExactly("<s>6", "<s>5", " [7", " [6", "INST7", "INST3");
        assertThat(experts.groupBy("prompt", "layer", "position")
                        .agg(sum("weight").as("total"), countDistinct("expert").as("experts"))
                        .where("experts != 2 OR abs(total - 1) > 1e-6")
                        .count())
                .isZero();
        assertThat(MIXTRAL.experts(List.of()).count()).isZero();
        assertThatThrownBy(() -> MIXTRAL.experts(List.of(QUESTION, "")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("prompt 1 of the list: prompt is empty");
    }

    @Test
    void keepsColumnsOrderAndSettings() {
        scala.collection.immutable.Map<String, String> before = spark().conf().getAll();
        Dataset<Row> answers = MIXTRAL.with("output_columns", Map.of("generated_text", "answer"))
                .generate(table(
                        "SELECT 2 AS b, 'Hello' AS prompt, 1 AS a",
                        "SELECT 1, 'Hi', 3",
                        "SELECT 3, CAST(NULL AS STRING), 0"));
        assertThat(answers.columns())
                .containsExactly(
                        "b", "prompt", "a", "custom_id", "answer", "finish_reason", "usage", "error", "model", "seed");
        assertThat(answers.collectAsList()).extracting(row -> row.getInt(0)).containsExactly(2, 1, 3);
        assertThat(spark().conf().getAll()).isEqualTo(before);
    }

    @Test
    void keepsDataThatIsCalledLikeAColumnOfTheAnswerOrAParameter() {
        Dataset<Row> answers = MIXTRAL.with("drop_columns", List.of("x"))
                .generate(
                        table("SELECT 'Hello' AS prompt, 'A17' AS seed, 1 AS Usage, 2 AS x, DATE'2024-01-01' AS day"));
        assertThat(answers.columns())
                .containsExactly(
                        "prompt",
                        "input_seed",
                        "input_Usage",
                        "day",
                        "custom_id",
                        "generated_text",
                        "finish_reason",
                        "usage",
                        "error",
                        "model",
                        "seed");
        Row row = answers.first();
        assertThat(row.<String>getAs("input_seed")).isEqualTo("A17");
        assertThat(row.<Long>getAs("seed")).isZero();
        assertThat(row.getAs("day").toString()).isEqualTo("2024-01-01");
        assertThat(MIXTRAL.generate(answers.filter("error IS NULL")).columns()).isEqualTo(answers.columns());
    }

    @Test
    void answersEqualPromptsAlikeWithoutIds() {
        String row = "SELECT 'Hello' AS prompt";
        assertThat(texts(MIXTRAL.with("temperature", 1.5).generate(table(row, row, row))).stream()
                        .distinct())
                .hasSize(1);
    }

    @Test
    void givesSeveralAnswersAndLogprobs() {
        Row row = MIXTRAL.with("n", 2)
                .with("logprobs", 1)
                .generate(table("SELECT 'Hello' AS prompt"))
                .first();
        assertThat(row.getList(row.fieldIndex("outputs"))).hasSize(2);
        assertThat(row.getList(row.fieldIndex("logprobs"))).isNotEmpty();
    }

    @Test
    void givesProbabilitiesOfChoicesWithLogprobs() {
        Mixtral choosing = MIXTRAL.with("structured_outputs", Map.of("choice", List.of("yes", "no")));
        Dataset<Row> table =
                table("SELECT 'Is it?' AS prompt, map('choice', array('up', 'down')) AS structured_outputs");
        Map<String, Double> jobs =
                probabilities(choosing.with("logprobs", 0).generate(table.drop("structured_outputs")));
        assertThat(jobs.keySet()).containsExactlyInAnyOrder("yes", "no");
        assertThat(jobs.values().stream().mapToDouble(value -> value).sum()).isCloseTo(1, within(1e-12));
        assertThat(probabilities(MIXTRAL.with("logprobs", 0).generate(table)).keySet())
                .containsExactlyInAnyOrder("up", "down");
        assertThat(choosing.generate(table).columns()).doesNotContain("choice_probabilities");
        assertThat(MIXTRAL.with("logprobs", 0)
                        .generate(table.drop("structured_outputs"))
                        .columns())
                .contains("logprobs")
                .doesNotContain("choice_probabilities");
    }

    private static Map<String, Double> probabilities(Dataset<Row> answers) {
        Row row = answers.first();
        return row.getJavaMap(row.fieldIndex("choice_probabilities"));
    }

    @Test
    void readsMessagesAsArraysAndAsJson() {
        String array = "SELECT array(named_struct('role', 'user', 'content', '" + QUESTION + "')) AS messages";
        String json = "SELECT '[{\"role\": \"user\", \"content\": \"" + QUESTION + "\"}]' AS messages";
        String expected = MIXTRAL.ask(QUESTION);
        assertThat(texts(MIXTRAL.generate(table(array)))).containsExactly(expected);
        assertThat(texts(MIXTRAL.generate(table(json)))).containsExactly(expected);
    }

    /** With what py4j makes of a dict and a list: HashMap and ArrayList. */
    @Test
    void asksChatsAndCountsTokensAlsoAfterItIsClosed() {
        Map<String, Object> message = new HashMap<>(Map.of("role", "user", "content", QUESTION));
        String expected = MIXTRAL.ask(QUESTION);
        MIXTRAL.close();
        assertThat(MIXTRAL.chat(new ArrayList<>(List.of(message)))).isEqualTo(expected);
        assertThat(MIXTRAL.tokens("rivers"))
                .extracting(Mixtral.Token::text)
                .last()
                .asString()
                .endsWith("s");
    }

    @Test
    void restoresADefault() {
        assertThat(MIXTRAL.with("max_tokens", null).options()).doesNotContainKey("max_tokens");
        assertThat(MIXTRAL.with(new HashMap<>(Map.of("temperature", 0.5, "stop", new ArrayList<>(List.of("x")))))
                        .options())
                .containsEntry("temperature", 0.5);
    }

    @Test
    void refusesInOneSentence() {
        assertThatThrownBy(() -> MIXTRAL.with("temperature", -1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("temperature must be at least 0 and finite, not -1");
        assertThatThrownBy(() -> MIXTRAL.with("temprature", 1)).hasMessageContaining("did you mean temperature?");
        assertThatThrownBy(() -> MIXTRAL.with("max_tokens", "many"))
                .hasMessage("max_tokens must be a whole number, not many");
        assertThatThrownBy(() -> Mixtral.load(spark(), "/nowhere/model.gguf")).isInstanceOf(ModelException.class);
        assertThatThrownBy(() -> MIXTRAL.generate(table("SELECT 'Hello' AS prompt, 'x' AS stop")))
                .hasMessageContaining("say parameter_columns stop if it is the parameter");
        assertThatThrownBy(() -> MIXTRAL.generate(table("SELECT 'Hello' AS prompt, 1 AS a, 2 AS A")))
                .hasMessageContaining("has two columns A, which Spark cannot tell apart");
        assertThatThrownBy(() -> MIXTRAL.generate(table("SELECT 1 AS x")))
                .hasMessageContaining("name one with prompt_column");
    }

    @Test
    void answersAStreamAndACachedTable() throws Exception {
        Path in = Files.createDirectory(directory.resolve("stream"));
        Files.writeString(in.resolve("a.json"), "{\"prompt\": \"" + QUESTION + "\"}\n");
        Dataset<Row> rows = spark().readStream().schema("prompt STRING").json(in.toString());
        StreamingQuery query = MIXTRAL.generate(rows)
                .writeStream()
                .format("memory")
                .queryName("streamed")
                .start();
        try {
            query.processAllAvailable();
        } finally {
            query.stop();
            query.awaitTermination(TimeUnit.SECONDS.toMillis(10));
        }
        Dataset<Row> cached =
                MIXTRAL.generate(table("SELECT '" + QUESTION + "' AS prompt")).cache();
        assertThat(texts(spark().table("streamed"))).isEqualTo(texts(cached)).isEqualTo(texts(cached));
        cached.unpersist();
    }
}
