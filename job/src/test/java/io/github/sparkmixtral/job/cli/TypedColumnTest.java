package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.MODEL;
import static io.github.sparkmixtral.job.SparkFixture.generate;
import static io.github.sparkmixtral.job.SparkFixture.rows;
import static io.github.sparkmixtral.job.SparkFixture.run;
import static io.github.sparkmixtral.job.SparkFixture.spark;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The column {@code parsed}, and answers that were cut. */
class TypedColumnTest {
    private static final String FORMAT =
            "{\"type\": \"json_schema\", \"json_schema\": {\"name\": \"n\", \"schema\": {\"type\": \"object\", \"properties\":"
                    + " {\"river\": {\"enum\": [\"Rhine\", \"Elbe\"]}, \"km\": {\"type\": \"integer\", \"minimum\": 100, \"maximum\": 999},"
                    + " \"day\": {\"const\": \"2024-02-29\"}, \"marks\": {\"type\": \"array\", \"items\": {\"enum\": [0.5]}, \"minItems\": 2,"
                    + " \"maxItems\": 2}}, \"required\": [\"river\", \"km\", \"day\", \"marks\"]}}}";
    private static final String TYPE = "river STRING, km SMALLINT, day DATE, marks ARRAY<DOUBLE>";

    @TempDir
    private Path directory;

    private Path input(String... lines) throws IOException {
        return write(directory.resolve("in.jsonl"), lines);
    }

    private Outcome answer(Path input, Object... more) {
        List<Object> arguments = new ArrayList<>(List.of(
                "--model", MODEL, "--input", input, "--output", directory.resolve("out"), "--temperature", "0"));
        arguments.addAll(List.of(more));
        return run(arguments.toArray());
    }

    private Row first() {
        return rows(directory.resolve("out")).getFirst();
    }

    @Test
    void theSchemasTypeIsAddedAndWritten() throws Exception {
        Path input = input(
                "{\"custom_id\": \"a\", \"prompt\": \"Name a river.\", \"parsed\": 7}",
                "{\"custom_id\": \"b\", \"prompt\": \"copy 12\", \"response_format\": {\"type\": \"text\"}}",
                "{\"custom_id\": \"c\", \"prompt\": \"\"}",
                "{\"custom_id\": \"d\", \"prompt\": \"Name a river.\", \"max_tokens\": 3}");
        Outcome outcome =
                answer(input, "--max-tokens", 150, "--response-format", FORMAT, "--output-column-type", "schema");
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        List<Row> rows = rows(directory.resolve("out"));
        assertThat(rows.getFirst().schema().apply("parsed").dataType().sql())
                .isEqualTo("STRUCT<river: STRING, km: BIGINT, day: STRING, marks: ARRAY<DOUBLE>>");
        Row parsed = rows.get(0).getAs("parsed");
        var json = new ObjectMapper().readTree(rows.get(0).<String>getAs("generated_text"));
        assertThat(parsed.<String>getAs("river")).isEqualTo(json.path("river").asText());
        assertThat(parsed.<Long>getAs("km")).isEqualTo(json.path("km").asLong());
        assertThat(parsed.getList(3)).containsExactly(0.5, 0.5);
        assertThat(rows.get(0).<String>getAs("parsed_error")).isNull();
        assertThat(rows.get(0).<Long>getAs("input_parsed")).isEqualTo(7);
        assertThat(rows.get(1).<Row>getAs("parsed")).isNull();
        assertThat(rows.get(1).<String>getAs("parsed_error")).isEqualTo("$ must be an object, not 12");
        assertThat(rows.get(1).<Row>getAs("error")).isNull();
        assertThat(rows.get(2).<Row>getAs("error")).isNotNull();
        assertThat(rows.get(2).<String>getAs("parsed_error")).isNull();
        assertThat(rows.get(3).<String>getAs("parsed_error"))
                .isEqualTo("the answer was cut before its end (finish_reason is length): raise max_tokens");
    }

    @Test
    void aTypeAloneHoldsTheAnswersToIt() throws Exception {
        Outcome outcome = answer(
                input("{\"prompt\": \"Name a river.\"}"),
                "--max-tokens",
                200,
                "--n",
                2,
                "--logprobs",
                0,
                "--output-columns",
                "parsed=value",
                "--output-column-type",
                "STRUCT<sea: BOOLEAN, day: DATE, at: TIMESTAMP, km: TINYINT>");
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        Row row = first();
        Row value = row.getAs("value");
        assertThat(row.<String>getAs("parsed_error")).isNull();
        var json = new ObjectMapper().readTree(row.<String>getAs("generated_text"));
        assertThat(value.<java.sql.Date>getAs("day").toLocalDate())
                .hasToString(json.path("day").asText());
        assertThat(value.<java.sql.Timestamp>getAs("at").toInstant())
                .isEqualTo(java.time.OffsetDateTime.parse(json.path("at").asText())
                        .toInstant()
                        .truncatedTo(java.time.temporal.ChronoUnit.MICROS));
        assertThat(value.<Byte>getAs("km")).isEqualTo((byte) json.path("km").asInt());
        List<Row> outputs = row.getList(row.fieldIndex("outputs"));
        assertThat(outputs)
                .hasSize(2)
                .allSatisfy(output -> assertThat(output.<Row>getAs("parsed")).isEqualTo(value));
    }

    @Test
    void aPrimerIsThePartThatThePromptHolds() throws Exception {
        Outcome outcome = answer(
                input("{\"messages\": [{\"role\": \"user\", \"content\": \"Name a river.\"}, {\"role\": \"assistant\","
                        + " \"content\": \"{\\\"river\\\":\"}]}"),
                "--max-tokens",
                64,
                "--response-format",
                FORMAT,
                "--output-column-type",
                TYPE);
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(first().<String>getAs("generated_text")).doesNotStartWith("{");
        Row parsed = first().getAs("parsed");
        assertThat(parsed.<String>getAs("river")).isIn("Rhine", "Elbe");
        assertThat(parsed.<java.sql.Date>getAs("day")).hasToString("2024-02-29");
    }

    @Test
    void aResumedJobHasTheSameTypeOrIsAnotherJob() throws Exception {
        Path format = Files.writeString(directory.resolve("format.json"), FORMAT);
        Path input = input("{\"prompt\": \"Name a river.\"}");
        Object[] options = {"--max-tokens", 150, "--response-format", format, "--output-column-type", "schema"};
        assertThat(answer(input, options).exitCode()).isEqualTo(ExitCode.DONE);
        StructType before = first().schema();
        Files.writeString(input, "{\"prompt\": \"Name two rivers.\"}\n", java.nio.file.StandardOpenOption.APPEND);
        assertThat(answer(input, options).exitCode()).isEqualTo(ExitCode.DONE);
        assertThat(rows(directory.resolve("out"))).hasSize(2).allSatisfy(row -> {
            assertThat(row.schema()).isEqualTo(before);
            assertThat(row.<Row>getAs("parsed")).isNotNull();
        });
        options[5] = TYPE;
        assertThat(answer(input, options).lastLine()).contains("--output-column-type was schema and is river STRING");
        options[5] = "schema";
        Files.writeString(format, FORMAT.replace("Rhine", "Oder"));
        Outcome changed = answer(input, options);
        assertThat(changed.exitCode()).isEqualTo(ExitCode.OUTPUT_EXISTS);
        assertThat(changed.lastLine()).contains("--response-format was ");
    }

    @Test
    void aFileOfOptionsHoldsTheSchemaAsItIsAndPropertiesMayHaveAnyName() throws Exception {
        Path config = Files.writeString(directory.resolve("job.yaml"), """
                max-tokens: 150
                output-column-type: schema
                response-format:
                  type: json_object
                  schema:
                    type: object
                    properties:
                      "a b": {enum: [1]}
                      "x.y": {enum: [true]}
                      "ü,;{}=": {enum: ["`"]}
                    required: ["a b", "x.y", "ü,;{}="]
                """);
        Outcome outcome = answer(input("{\"prompt\": \"Name a river.\"}"), "--config", config);
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        Row parsed = first().getAs("parsed");
        assertThat(parsed.schema().fieldNames()).containsExactly("a b", "x.y", "ü,;{}=");
        assertThat(parsed.toSeq().mkString(" ")).isEqualTo("1 true `");
    }

    @Test
    void whatDoesNotGoTogetherEndsTheJobBeforeItBegins() throws Exception {
        Path input = input("{\"prompt\": \"Name a river.\"}");
        List<List<String>> faults = List.of(
                List.of("schema needs a JSON schema to take the type from", "schema"),
                List.of("schema needs a JSON schema", "schema", "--response-format", "{\"type\": \"json_object\"}"),
                List.of("is no type of Spark's SQL", "STRUCT<a: STRNG>"),
                List.of(
                        "makes the answer.km DATE, but the JSON schema makes it BIGINT",
                        "km DATE",
                        "--response-format",
                        FORMAT),
                List.of("and --response-format says text", "a INT", "--response-format", "{\"type\": \"text\"}"),
                List.of(
                        "adds columns, which --output-format jsonl does not write",
                        "a INT",
                        "--output-format",
                        "jsonl"));
        for (List<String> fault : faults) {
            List<Object> options = new ArrayList<>(List.of("--output-column-type"));
            options.addAll(fault.subList(1, fault.size()));
            Outcome outcome = generate(input, directory.resolve("out"), options.toArray());
            assertThat(outcome.exitCode()).as(fault.getFirst()).isEqualTo(ExitCode.USAGE);
            assertThat(outcome.lastLine())
                    .startsWith("spark-mixtral: --output-column-type")
                    .contains(fault.getFirst());
        }
        assertThat(generate(input, directory.resolve("out"), "--output-columns", "parsed=p")
                        .lastLine())
                .contains("--output-columns renames parsed, which needs --output-column-type");
        assertThat(directory.resolve("out")).doesNotExist();
    }

    @Test
    void aCutAnswerIsAnErrorOnlyIfItIsAsked() throws Exception {
        Path input = input(
                "{\"custom_id\": \"a\", \"prompt\": \"Name a river.\"}",
                "{\"custom_id\": \"b\", \"prompt\": \"Name a river.\", \"response_format\": {\"type\": \"text\"}, \"ignore_eos\": true}",
                "{\"custom_id\": \"c\", \"prompt\": \"Name a river.\", \"response_format\": {\"type\": \"regex\", \"value\": \"(ab){99}\"}}",
                "{\"custom_id\": \"d\", \"prompt\": \"Name a river.\", \"max_tokens\": 150}");
        Object[] options = {"--max-tokens", 3, "--response-format", FORMAT, "--output-column-type", "schema"};
        assertThat(answer(input, options).exitCode()).isEqualTo(ExitCode.DONE);
        List<Row> cut = rows(directory.resolve("out"));
        assertThat(cut).allSatisfy(row -> assertThat(row.<Row>getAs("error")).isNull());

        Object[] strict = java.util.Arrays.copyOf(options, options.length + 3);
        strict[options.length] = "--require-complete";
        strict[options.length + 1] = "--output-mode";
        strict[options.length + 2] = "overwrite";
        Outcome outcome = answer(input, strict);
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        List<Row> rows = rows(directory.resolve("out"));
        Row error = rows.get(0).getAs("error");
        assertThat(error.<String>getAs("code")).isEqualTo("incomplete_json");
        assertThat(error.<String>getAs("message")).contains("in.jsonl", "cut before its end", "raise max_tokens");
        assertThat(error.<Boolean>getAs("retryable")).isFalse();
        assertThat(rows.get(0).<String>getAs("generated_text"))
                .isEqualTo(cut.get(0).getAs("generated_text"));
        assertThat(rows.get(0).<String>getAs("finish_reason")).isEqualTo("length");
        assertThat(rows.get(1).<Row>getAs("error")).isNull();
        assertThat(rows.get(1).<String>getAs("finish_reason")).isEqualTo("length");
        assertThat(rows.get(2).<Row>getAs("error").getString(0)).isEqualTo("incomplete_output");
        assertThat(rows.get(3).<Row>getAs("error")).isNull();
        assertThat(rows.get(3).<Row>getAs("parsed")).isNotNull();
        var counts = new ObjectMapper()
                .readTree(directory.resolve("out").resolve("_manifest.json").toFile())
                .path("rows");
        assertThat(counts.path("errors").toString()).isEqualTo("{\"incomplete_json\":1,\"incomplete_output\":1}");
        assertThat(counts.path("finish_reasons").path("length").asInt()).isEqualTo(1);
        assertThat(spark().read().parquet(directory.resolve("out").toString()).count())
                .isEqualTo(4);
    }
}
