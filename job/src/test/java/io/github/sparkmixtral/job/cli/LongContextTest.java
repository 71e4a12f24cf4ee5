package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.MODEL;
import static io.github.sparkmixtral.job.SparkFixture.rows;
import static io.github.sparkmixtral.job.SparkFixture.run;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.awt.image.BufferedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code spark-mixtral passkey} and {@code spark-mixtral perplexity}. */
class LongContextTest {
    @TempDir
    private Path directory;

    private Outcome command(String name, Object... more) {
        Stream<Object> arguments =
                Stream.of(name, "--model", MODEL, "--output", directory.resolve("out"), "--max-num-seqs", 8);
        return run(Stream.concat(arguments, Stream.of(more)).toArray());
    }

    private Path out(String file) {
        return directory.resolve("out").resolve(file);
    }

    @Test
    void passkeysAreFoundAndDrawn() throws Exception {
        Object[] sizes = {"--lengths", "120,300", "--depths", "0,100", "--each", 2};
        Outcome outcome = command("passkey", sizes);
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        List<Row> rows = rows(out("answers"));
        assertThat(rows).hasSize(8).allSatisfy(row -> {
            long length = row.<Long>getAs("length");
            assertThat(row.<Row>getAs("usage").getInt(0)).isBetween((int) length - 10, (int) length + 10);
            String prompt = row.getAs("prompt");
            double place = (double) prompt.indexOf("The pass key is") / prompt.length();
            assertThat(place).isCloseTo(row.<Long>getAs("depth") / 100.0, within(0.4));
        });
        List<String> csv = Files.readAllLines(out("passkey.csv"));
        assertThat(csv).hasSize(5).first().isEqualTo("length,depth,found");
        for (String line : csv.subList(1, 5)) {
            String[] cells = line.split(",");
            double found = rows.stream()
                    .filter(row -> row.<Long>getAs("length").toString().equals(cells[0])
                            && row.<Long>getAs("depth").toString().equals(cells[1]))
                    .mapToInt(
                            row -> row.<String>getAs("generated_text").contains(row.<String>getAs("expected")) ? 1 : 0)
                    .average()
                    .orElseThrow();
            assertThat(Double.parseDouble(cells[2])).isEqualTo(found);
        }
        // The demo's model was trained for these.
        assertThat(csv.stream().filter(line -> line.endsWith(",1.0")).count()).isGreaterThanOrEqualTo(3);
        assertThat(outcome.out()).contains("| depth, % | 120 tokens | 300 tokens |");
        BufferedImage picture = ImageIO.read(out("passkey.png").toFile());
        assertThat(picture.getWidth()).isEqualTo(900);

        FileTime time = Files.getLastModifiedTime(out("prompts.jsonl"));
        Outcome again = command("passkey", sizes);
        assertThat(again.exitCode()).as(again.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(again.out()).contains("| depth, % | 120 tokens | 300 tokens |");
        assertThat(Files.getLastModifiedTime(out("prompts.jsonl"))).isEqualTo(time);
    }

    @Test
    void perplexityIsToldByContext() throws Exception {
        Path texts = write(
                directory.resolve("texts.jsonl"),
                "{\"custom_id\": \"a\", \"body\": \"%s\"}".formatted("red, blue, green. ".repeat(12)),
                "{\"custom_id\": \"b\", \"body\": \"%s\"}".formatted("one, two. ".repeat(9)));
        Outcome outcome = command("perplexity", "--input", texts, "--text-column", "body", "--window", 20);
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        List<Row> rows = rows(out("answers"));
        double[] sums = new double[10];
        long[] counts = new long[10];
        for (Row row : rows) {
            List<Row> logprobs = row.getList(row.fieldIndex("logprobs"));
            for (int i = 0; i < logprobs.size(); i++) {
                sums[i / 20] += logprobs.get(i).getFloat(2);
                counts[i / 20]++;
            }
        }
        List<String> csv = Files.readAllLines(out("perplexity.csv"));
        assertThat(csv.getFirst()).isEqualTo("tokens_before,tokens,perplexity");
        for (int i = 1; i < csv.size(); i++) {
            String[] cells = csv.get(i).split(",");
            assertThat(cells[0]).isEqualTo(Integer.toString(20 * (i - 1)));
            assertThat(cells[1]).isEqualTo(Long.toString(counts[i - 1]));
            assertThat(String.format(Locale.ROOT, "%.4g", Double.parseDouble(cells[2])))
                    .isEqualTo(String.format(Locale.ROOT, "%.4g", Math.exp(-sums[i - 1] / counts[i - 1])));
        }
        assertThat(outcome.out()).contains("| tokens before | tokens | perplexity |", "| 20 to 39 | ");
        assertThat(ImageIO.read(out("perplexity.png").toFile())).isNotNull();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "passkey | --lengths 0 | --lengths must be different whole numbers from 1 on, not [0]",
                "passkey | --depths 5,101 | --depths must be different whole numbers in [0, 100], not [5, 101]",
                "passkey | --lengths 10 | --lengths: a prompt of 10 tokens has no room for a pass key",
                "passkey | --lengths 5000 | --lengths has 5000, which leaves no room for an answer in a context of 4096 tokens",
                "passkey | --each 0 | --each must be at least 1",
                "passkey | --input x | spark-mixtral passkey chooses --input itself: leave it out",
                "passkey | --lenghts 5 | unknown option --lenghts",
                "perplexity | --window 0 | --window must be at least 1",
                "perplexity | --logprobs 3 | spark-mixtral perplexity chooses --logprobs itself: leave it out",
                "perplexity | --seed 1 | --input is missing"
            })
    void whatMakesNoFigureIsRefused(String name, String options, String message) {
        Outcome outcome = command(name, (Object[]) options.split(" "));
        assertThat(outcome.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(outcome.lastLine()).contains(message);
    }

    @Test
    void helpIsPrinted() {
        assertThat(run("passkey", "--help").out()).contains("Usage: spark-mixtral passkey", "--lengths=N");
        assertThat(run("perplexity", "--help").out()).contains("Usage: spark-mixtral perplexity", "--window=N");
    }
}
