package io.github.sparkmixtral.job.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.github.sparkmixtral.engine.Activations;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.Estimate;
import io.github.sparkmixtral.job.options.Evaluation;
import io.github.sparkmixtral.job.options.ExpectedMatch;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.OutputMode;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.service.RequestDefaults;
import io.github.sparkmixtral.service.Task;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OptionParserTest {

    @TempDir
    private Path directory;

    private static JobOptions parse(String... more) {
        List<String> arguments = new ArrayList<>(List.of("--model", "m", "--input", "in.jsonl", "--output", "out"));
        arguments.addAll(List.of(more));
        return OptionParser.parse(arguments.toArray(String[]::new), new PrintWriter(new StringWriter()))
                .orElseThrow();
    }

    private static String usageError(String... arguments) {
        JobException thrown = catchThrowableOfType(
                JobException.class, () -> OptionParser.parse(arguments, new PrintWriter(new StringWriter())));
        assertThat(thrown).as("%s", List.of(arguments)).isNotNull();
        assertThat(thrown.exitCode()).isEqualTo(ExitCode.USAGE);
        return thrown.getMessage();
    }

    private static String usageErrorWith(String... more) {
        List<String> arguments = new ArrayList<>(List.of("--model", "m", "--input", "in.jsonl", "--output", "out"));
        arguments.addAll(List.of(more));
        return usageError(arguments.toArray(String[]::new));
    }

    private Path config(String text) throws IOException {
        return Files.writeString(directory.resolve("job.yaml"), text);
    }

    @Test
    void defaultsAreThoseOfTheEngine() {
        JobOptions options = parse();

        assertThat(options.generation().defaults().parameters()).isEqualTo(SamplingParameters.DEFAULT);
        assertThat(options.generation().defaults().task()).isEqualTo(Task.CHAT);
        assertThat(options.generation().engine().quantization()).isEqualTo(Quantization.NONE);
        assertThat(options.output().mode()).isEqualTo(OutputMode.RESUME);
        assertThat(options.generation().engine().kvCacheMemory()).isZero();
        assertThat(options.partitions()).isZero();
        assertThat(options.maxErrorRatio()).isEqualTo(1);
        assertThat(options.generation().engine().backend()).isEqualTo("auto");
        assertThat(options.generation().engine().activations()).isEqualTo(Activations.AUTO);
        assertThat(options.inputFormat()).isEmpty();
        assertThat(options.estimate()).isEqualTo(new Estimate(false, 60, OptionalDouble.empty()));
        assertThat(parse("--dry-run", "--calibration-seconds", "5", "--price-per-hour", "2.5")
                        .estimate())
                .isEqualTo(new Estimate(true, 5, OptionalDouble.of(2.5)));
    }

    @Test
    void takesAChatTemplateByNameOrFromAFile(@TempDir Path directory) throws IOException {
        Path file = Files.writeString(directory.resolve("t.jinja"), "{{ messages[0].content }}");
        assertThat(parse().generation().defaults().chatTemplate()).isNull();
        assertThat(parse("--chat-template", "chatml").generation().defaults().chatTemplate())
                .isEqualTo("chatml");
        RequestDefaults defaults = parse("--chat-template", file.toString(), "--special-tokens", "parse")
                .generation()
                .defaults();
        assertThat(defaults.chatTemplate()).isEqualTo("{{ messages[0].content }}");
        assertThat(defaults.specialTokens()).isEqualTo(RequestDefaults.SpecialTokens.PARSE);
    }

    @Test
    void everyOptionReachesItsAccessor() {
        JobOptions options = parse(
                ("--input-format csv --prompt-column p --messages-column c --id-column i --task complete --output-mode"
                                + " overwrite --max-tokens 7 --min-tokens 2 --temperature 0.5 --top-p 0.9 --top-k -1 --min-p 0.1"
                                + " --repetition-penalty 1.1 --presence-penalty -1 --frequency-penalty 2 --seed 42 --stop a,b --stop c"
                                + " --stop-token-ids 5,6 --stop-token-ids 7 --n 3 --logprobs 4 --ignore-eos --logit-bias 8=-1.5,9=2"
                                + " --quantization Q8_0 --backend cpu --activations int16 --max-num-seqs 9 --max-num-batched-tokens 100"
                                + " --kv-cache-memory 512m"
                                + " --max-model-len 77 --num-threads 2 --model-cache /c --partitions 3 --fail-on-error --max-error-ratio"
                                + " 0.25 --show 2 --expected-column e --expected-match f1 --score-by k --min-score 0.5 --baseline b --verbose")
                        .split(" "));

        assertThat(options.generation().defaults().parameters())
                .isEqualTo(new SamplingParameters(
                        7,
                        2,
                        0.5,
                        0.9,
                        -1,
                        0.1,
                        1.1,
                        -1,
                        2,
                        42,
                        List.of("a,b", "c"),
                        List.of(5, 6, 7),
                        3,
                        4,
                        true,
                        Map.of(8, -1.5, 9, 2.0)));
        assertThat(options.inputFormat()).contains(InputFormat.CSV);
        assertThat(options.generation().columns().prompt()).isEqualTo("p");
        assertThat(options.generation().columns().messages()).isEqualTo("c");
        assertThat(options.generation().columns().id()).isEqualTo("i");
        assertThat(options.generation().defaults().task()).isEqualTo(Task.COMPLETE);
        assertThat(options.output().mode()).isEqualTo(OutputMode.OVERWRITE);
        assertThat(options.generation().engine().quantization()).isEqualTo(Quantization.Q8_0);
        assertThat(options.generation().engine().backend()).isEqualTo("cpu");
        assertThat(options.generation().engine().activations()).isEqualTo(Activations.INT16);
        assertThat(options.generation().engine().maxNumSeqs()).isEqualTo(9);
        assertThat(options.generation().engine().maxNumBatchedTokens()).isEqualTo(100);
        assertThat(options.generation().engine().kvCacheMemory()).isEqualTo(512L << 20);
        assertThat(options.generation().engine().maxModelLen()).isEqualTo(77);
        assertThat(options.generation().engine().numThreads()).isEqualTo(2);
        assertThat(options.generation().engine().modelCache()).isEqualTo("/c");
        assertThat(options.partitions()).isEqualTo(3);
        assertThat(options.failOnError()).isTrue();
        assertThat(options.toleratedErrorRatio()).isZero();
        assertThat(options.show()).isEqualTo(2);
        assertThat(options.evaluation())
                .isEqualTo(new Evaluation(
                        Optional.of("e"),
                        ExpectedMatch.F1,
                        Optional.of("k"),
                        OptionalDouble.of(0.5),
                        Optional.of("b")));
        assertThat(options.verbose()).isTrue();
        assertThat(options.resolved())
                .containsEntry("stop", List.of("a,b", "c"))
                .containsEntry("kv-cache-memory", List.of("512m"));
    }

    @Test
    void commandLineWinsOverFileWinsOverDefault() throws IOException {
        Path file = config("""
                temperature: 0.25
                max_tokens: 11
                top-p: 0.5
                stop: [x, y]
                input: [a.jsonl, b.jsonl]
                fail-on-error: true
                logit-bias: {3: -2, 4: 1.5}
                prompt-template: null
                """);

        JobOptions options =
                parse("--config", file.toString(), "--temperature", "0.75", "--stop", "z", "--verbose=false");

        assertThat(options.generation().defaults().parameters().temperature()).isEqualTo(0.75);
        assertThat(options.generation().defaults().parameters().maxTokens()).isEqualTo(11);
        assertThat(options.generation().defaults().parameters().topP()).isEqualTo(0.5);
        assertThat(options.generation().defaults().parameters().minP()).isZero();
        assertThat(options.generation().defaults().parameters().stop()).containsExactly("z");
        assertThat(options.generation().defaults().parameters().logitBias()).isEqualTo(Map.of(3, -2.0, 4, 1.5));
        assertThat(options.input()).containsExactly("in.jsonl");
        assertThat(options.failOnError()).isTrue();
        assertThat(options.generation().columns().template()).isNull();
    }

    @Test
    void fileCanHoldWhatIsRequired() throws IOException {
        Path file = config("model: m\ninput: in.jsonl\noutput: out\nstop: 'a b: \"c\"'\n");

        JobOptions options = OptionParser.parse(
                        new String[] {"--config", file.toString()}, new PrintWriter(new StringWriter()))
                .orElseThrow();

        assertThat(options.input()).containsExactly("in.jsonl");
        assertThat(options.generation().defaults().parameters().stop()).containsExactly("a b: \"c\"");
    }

    @Test
    void faultsOfTheFileNameKeyAndFile() throws IOException {
        Path file = config("temprature: 1\n");
        assertThat(usageErrorWith("--config", file.toString()))
                .isEqualTo("unknown option temprature in " + file + "; did you mean temperature?");

        config("top-k: many\n");
        assertThat(usageErrorWith("--config", file.toString()))
                .isEqualTo("--top-k must be a whole number, not many (in " + file + ")");

        config("top-k: 3\ntop_k: 4\n");
        assertThat(usageErrorWith("--config", file.toString())).isEqualTo("top-k is given more than once in " + file);

        config("stop: {a: 1}\n");
        assertThat(usageErrorWith("--config", file.toString()))
                .isEqualTo("stop in " + file + " must be a single value or a list of them, not {\"a\":1}");

        config("- a\n");
        assertThat(usageErrorWith("--config", file.toString()))
                .isEqualTo("--config " + file + " must hold one mapping of option names to values");

        config("a: [1\n");
        assertThat(usageErrorWith("--config", file.toString()))
                .startsWith("--config " + file + " is not valid YAML at line 1: ");

        assertThat(usageErrorWith("--config", "nowhere.yaml")).isEqualTo("--config names no file: nowhere.yaml");
    }

    @Test
    void faultOfTheFileIsToldEvenWhereTheCommandLineWouldBeRight() throws IOException {
        Path file = config("nonsense: 1\ntemperature: 0\n");

        assertThat(usageErrorWith("--config", file.toString(), "--temperature", "1"))
                .startsWith("unknown option nonsense in " + file);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    --top-p 3                  | --top-p must be in (0, 1], not 3
                    --top-p 0                  | --top-p must be in (0, 1], not 0
                    --top-p 0.0001x            | --top-p must be a number, not 0.0001x
                    --top-p NaN                | --top-p must be in (0, 1], not NaN
                    --temperature -1           | --temperature must be at least 0 and finite, not -1
                    --max-tokens 0             | --max-tokens must be at least 1, not 0
                    --max-tokens 1.5           | --max-tokens must be a whole number, not 1.5
                    --max-tokens 99999999999   | --max-tokens must be a whole number, not 99999999999
                    --n 0                      | --n must be in [1, 128], not 0
                    --top-k -2                 | --top-k must be at least -1, not -2
                    --logprobs 21              | --logprobs must be in [0, 20], or -1 for none, not 21
                    --logprobs -1              | --logprobs must be a whole number of at least 0 or none, not -1
                    --stop=                    | --stop must not contain an empty string
                    --stop-token-ids x         | --stop-token-ids must be a whole number, not x
                    --task talk                | --task must be one of chat, complete, embed, score, classify, agent, not talk
                    --chat-template nowhere.j2 | --chat-template must be none, mistral-v1, mistral-v3, chatml or a file with a template in Jinja, not nowhere.j2, which is no file
                    --special-tokens some      | --special-tokens must be one of text, parse, not some
                    --quantization q5          | --quantization must be one of none, q8_0, q4_0, nf4, not q5
                    --activations int8         | --activations must be one of auto, f32, int16, not int8
                    --input-format xml         | --input-format must be one of jsonl, parquet, csv, text, table, not xml
                    --kv-cache-memory lots     | --kv-cache-memory must be a size such as 512m or 4g, or auto, not lots
                    --kv-cache-memory -5g      | --kv-cache-memory must be a size such as 512m or 4g, or auto, not -5g
                    --partitions 0             | --partitions must be a whole number of at least 1 or auto, not 0
                    --max-num-seqs 0           | --max-num-seqs must be at least 1, not 0
                    --max-error-ratio 2        | --max-error-ratio must be in [0, 1], not 2
                    --max-error-ratio NaN      | --max-error-ratio must be in [0, 1], not NaN
                    --seed                     | --seed needs a value
                    --seed 1 --seed 2          | --seed is given more than once
                    --temprature 1             | unknown option --temprature; did you mean --temperature?
                    --max_tokens 5             | unknown option --max_tokens; did you mean --max-tokens?
                    --xyzzy                    | unknown option --xyzzy (--help shows every option)
                    --fail-on-error=perhaps    | --fail-on-error must be true or false, not perhaps
                    --prompt-template nothing  | --prompt-template names no column: write {column} where a row's value goes
                    --show -1                  | --show must be at least 0, not -1
                    --price-per-hour 0         | --price-per-hour must be a number above 0, not 0
                    --price-per-hour -2.5      | --price-per-hour must be a number above 0, not -2.5
                    --price-per-hour NaN       | --price-per-hour must be a number above 0, not NaN
                    --price-per-hour Infinity  | --price-per-hour must be a number above 0, not Infinity
                    --price-per-hour 2EUR      | --price-per-hour must be a number, not 2EUR
                    --calibration-seconds 9    | --calibration-seconds needs --dry-run
                    --dry-run --calibration-seconds -1 | --calibration-seconds must be at least 0, not -1
                    --dry-run --calibration-seconds 1m | --calibration-seconds must be a whole number, not 1m
                    --logit-bias 5             | --logit-bias must look like ID=X, not 5
                    --logit-bias 5=500         | --logit-bias of token 5 must be in [-100, 100], not 500
                    """)
    void wrongUseIsOneSentence(String arguments, String message) {
        assertThat(usageErrorWith(arguments.split(" "))).isEqualTo(message);
    }

    @Test
    void requiredOptionsAreNamed() {
        assertThat(usageError()).startsWith("--model is missing: ");
        assertThat(usageError("--model", "m")).startsWith("--input is missing: ");
        assertThat(usageError("--model", "m", "--input", "a")).startsWith("--output is missing: ");
        assertThat(usageError("--model", "m", "--input")).isEqualTo("--input needs a value");
        assertThat(usageError("stray")).startsWith("unexpected argument stray");
    }

    @Test
    void optionsThatContradictEachOtherAreRefused() {
        assertThat(usageErrorWith("--system-prompt", "s", "--task", "complete"))
                .startsWith("--system-prompt needs --task chat");
        assertThat(usageErrorWith("--safe-prompt", "--task", "complete"))
                .isEqualTo("--safe-prompt needs --task chat: a text that is taken as it is has no system message");
        assertThat(usageErrorWith("--prompt-template", "{a}", "--prompt-column", "b"))
                .startsWith("--prompt-template and --prompt-column exclude each other");
        assertThat(usageErrorWith("--score-by", "kind"))
                .isEqualTo("--score-by needs --expected-column: without it there is nothing to score");
        assertThat(usageErrorWith("--min-score", "0.5"))
                .isEqualTo("--min-score needs --expected-column: without it there is nothing to score");
        assertThat(usageErrorWith("--expected-match", "json"))
                .isEqualTo("--expected-match json needs --expected-column: without it there is nothing to score");
        assertThat(usageErrorWith("--expected-column", "e", "--expected-match", "fuzzy"))
                .isEqualTo("--expected-match must be one of exact, contains, regex, number, json, f1, not fuzzy");
        assertThat(usageErrorWith("--expected-column", "e", "--min-score", "1.5"))
                .isEqualTo("--min-score must be in [0, 1], not 1.5");
        assertThat(usageErrorWith("--expected-column", "e", "--min-score", "NaN"))
                .isEqualTo("--min-score must be in [0, 1], not NaN");
        assertThat(usageErrorWith("--expected-column", "e", "--task", "score"))
                .isEqualTo("--expected-column needs answers that are texts, which --task score does not give");
        assertThat(usageErrorWith("--baseline", "b", "--task", "embed"))
                .isEqualTo("--baseline needs answers that are texts, which --task embed does not give");
        assertThat(usageErrorWith("--baseline", " "))
                .isEqualTo("--baseline is empty: give the --output directory of an earlier run");
    }

    @Test
    void severalInputsFollowOneOption() {
        JobOptions options = OptionParser.parse(
                        new String[] {
                            "--input", "a.jsonl", "b.jsonl", "--model", "m", "--output", "o", "--input", "c.jsonl"
                        },
                        new PrintWriter(new StringWriter()))
                .orElseThrow();

        assertThat(options.input()).containsExactly("a.jsonl", "b.jsonl", "c.jsonl");
    }

    @Test
    void sizesHaveBinaryUnits() {
        assertThat(parse("--kv-cache-memory", "4g").generation().engine().kvCacheMemory())
                .isEqualTo(4L << 30);
        assertThat(parse("--kv-cache-memory", "1.5GiB").generation().engine().kvCacheMemory())
                .isEqualTo(3L << 29);
        assertThat(parse("--kv-cache-memory", "1048576").generation().engine().kvCacheMemory())
                .isEqualTo(1L << 20);
    }

    @Test
    void secretsStayOutOfTheResolvedOptions() {
        JobOptions options = parse("--model-cache", "/c", "--id-column", "s3a://key:secret@bucket/x?token=abc");

        assertThat(options.resolved().get("id-column")).containsExactly("s3a://***@bucket/x?token=***");
    }

    @Test
    void helpShowsEveryOptionWithItsDefault() {
        StringWriter text = new StringWriter();

        assertThat(OptionParser.parse(new String[] {"--help"}, new PrintWriter(text)))
                .isEmpty();

        assertThat(text.toString())
                .contains("--model=PATH", "--top-p=X", "--config=FILE", "Exit codes", "Examples", "Sampling", "Engine")
                .containsPattern("--max-tokens=N[^-]*Default: 512")
                .containsPattern("--temperature=X[^-]*Default: 1.0")
                .containsPattern("--kv-cache-memory=SIZE\\|auto[^-]*Default: auto");
        assertThat(text.toString().lines()).allMatch(line -> line.length() <= 110);
    }

    @Test
    void versionNamesSparkAndJava() {
        StringWriter text = new StringWriter();

        assertThat(OptionParser.parse(new String[] {"--version"}, new PrintWriter(text)))
                .isEmpty();

        assertThat(text.toString()).contains("spark-mixtral ", "Spark 4.2", "Java 25");
    }
}
