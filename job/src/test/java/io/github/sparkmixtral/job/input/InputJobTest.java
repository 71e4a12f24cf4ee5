package io.github.sparkmixtral.job.input;

import static io.github.sparkmixtral.job.SparkFixture.generate;
import static io.github.sparkmixtral.job.SparkFixture.rows;
import static io.github.sparkmixtral.job.SparkFixture.spark;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.NanoTime;
import org.apache.parquet.example.data.simple.SimpleGroupFactory;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.example.ExampleParquetWriter;
import org.apache.parquet.hadoop.util.HadoopOutputFile;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.DataTypes;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole jobs over rows as other engines and services have them. */
class InputJobTest {

    @TempDir
    private Path directory;

    private static String error(Row row) {
        Row error = row.getAs("error");
        return error == null ? "" : error.getString(1);
    }

    @Test
    void rowsOfOtherEnginesAndServices() throws IOException {
        Path input = write(
                directory.resolve("a.jsonl"),
                "{\"custom_id\": \"a\", \"body\": {\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}], \"random_seed\": 3},"
                        + " \"facts\": {\"price\": 19.90, \"big\": 1234567890123456789.25}}",
                "{\"custom_id\": \"b\", \"facts\": {\"name\": null}, \"body\": {\"prompt\": \"hi\", \"echo\": false, \"best_of\": 1, \"logprobs\": null}}",
                "{\"custom_id\": \"c\", \"params\": {\"max_tokens\": 2, \"system\": [{\"type\": \"text\", \"text\": \"Be brief.\"}],"
                        + " \"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}}",
                "{\"custom_id\": \"d\", \"inputs\": \"hi\", \"parameters\": {\"max_new_tokens\": 1, \"do_sample\": false}}",
                "{\"custom_id\": \"e\", \"inputs\": \"hi\", \"sampling_params\": {\"max_tokens\": 1, \"guided_xml\": {}}}",
                "{\"custom_id\": \"f\", \"inputs\": \"hi\", \"top_p\": NaN, \"score\": 1}",
                "{\"custom_id\": \"g\", \"inputs\": \"hi\", \"other\": \"\\ud800 hi\", \"score\": NaN, \"tools\": \"hammer\", \"top_logprobs\": 0}",
                "{\"custom_id\": \"h\", \"body\": {\"input\": \"hi\"}}");

        assertThat(generate(input, directory.resolve("out")).exitCode()).isEqualTo(ExitCode.DONE);

        Map<String, Row> rows = rows(directory.resolve("out")).stream()
                .collect(Collectors.toMap(row -> row.getAs("custom_id"), row -> row));
        assertThat(List.of("a", "b", "c", "d", "g"))
                .allSatisfy(id -> assertThat(error(rows.get(id))).isEmpty());
        assertThat(rows.get("a").<Long>getAs("seed")).isEqualTo(3);
        assertThat(rows.get("d").<Row>getAs("usage").getInt(1)).isEqualTo(1);
        assertThat(error(rows.get("e"))).isEqualTo("a.jsonl line 5: unknown parameter 'guided_xml'");
        assertThat(error(rows.get("f")))
                .startsWith("a.jsonl line 6: top_p must be ")
                .contains("NaN");
        assertThat(error(rows.get("h")))
                .startsWith("a.jsonl line 8: the row asks for the task embed, but the job's is chat");
        assertThat(rows.get("g").<Double>getAs("score")).isNaN();
        assertThat(rows.get("a").<String>getAs("body"))
                .isEqualTo("{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"random_seed\":3}");
        assertThat(rows.get("a").<String>getAs("facts")).isEqualTo("{\"price\":19.90,\"big\":1234567890123456789.25}");
    }

    @Test
    void aBatchWithoutUrlsIsAnsweredAsWhatItsBodiesAre() throws IOException {
        Path input = write(
                directory.resolve("a.jsonl"),
                "{\"custom_id\": \"a\", \"body\": {\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}}",
                "{\"custom_id\": \"b\", \"body\": {\"prompt\": \"hi\"}}");
        Path out = directory.resolve("out");

        assertThat(generate(input, out, "--output-format", "jsonl").exitCode()).isEqualTo(ExitCode.DONE);

        Map<String, String> objects = spark().read().textFile(out.toString()).collectAsList().stream()
                .map(InputJobTest::json)
                .collect(Collectors.toMap(
                        line -> line.get("custom_id").asText(),
                        line -> line.at("/response/body/object").asText()));
        assertThat(objects).containsEntry("a", "chat.completion").containsEntry("b", "text_completion");
    }

    private static JsonNode json(String line) {
        try {
            return new JsonMapper().readTree(line);
        } catch (IOException e) {
            throw new AssertionError(line, e);
        }
    }

    @Test
    void parquetTypesThatSparkDoesNotWrite() throws IOException {
        MessageType type = MessageTypeParser.parseMessageType("message m { required binary prompt (STRING);"
                + " required int64 nanos (TIMESTAMP(NANOS,true)); required int64 big (INTEGER(64,false));"
                + " required int96 old; required fixed_len_byte_array(2) fixed; required binary raw; }");
        org.apache.hadoop.fs.Path file =
                new org.apache.hadoop.fs.Path(directory.resolve("a.parquet").toString());
        try (ParquetWriter<Group> writer = ExampleParquetWriter.builder(
                        HadoopOutputFile.fromPath(file, new Configuration()))
                .withType(type)
                .build()) {
            writer.write(new SimpleGroupFactory(type)
                    .newGroup()
                    .append("prompt", "hi")
                    .append("nanos", 1_700_000_000_123_456_789L)
                    .append("big", -1L)
                    .append("old", new NanoTime(2_460_000, 1_000))
                    .append("fixed", Binary.fromConstantByteArray(new byte[] {1, 2}))
                    .append("raw", Binary.fromString("raw")));
        }

        assertThat(generate(directory.resolve("a.parquet"), directory.resolve("out"))
                        .exitCode())
                .isEqualTo(ExitCode.DONE);

        Row row = rows(directory.resolve("out")).getFirst();
        assertThat(error(row)).isEmpty();
        assertThat(row.<Long>getAs("nanos")).isEqualTo(1_700_000_000_123_456_789L);
        assertThat(row.<java.math.BigDecimal>getAs("big")).hasToString("18446744073709551615");
        assertThat(row.schema().apply("old").dataType()).isEqualTo(DataTypes.TimestampType);
        assertThat(row.<byte[]>getAs("fixed")).containsExactly(1, 2);
    }
}
