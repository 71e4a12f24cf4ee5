package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.MODEL;
import static io.github.sparkmixtral.job.SparkFixture.rows;
import static io.github.sparkmixtral.job.SparkFixture.run;
import static io.github.sparkmixtral.job.SparkFixture.spark;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.Mixtral;
import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The demo's model with a calculator, on tables. */
class AgentTest {
    private static final String[] QUESTIONS = {
        "{\"custom_id\": \"a\", \"prompt\": \"What is 32 times 183?\"}",
        "{\"custom_id\": \"b\", \"prompt\": \"What is the square root of 737 times 3?\"}",
        "{\"custom_id\": \"c\", \"prompt\": \"Hello, I am Queath.\"}",
        "{\"custom_id\": \"d\", \"prompt\": \"Add 12 and 345 and multiply the sum by 6.\"}",
        "{\"custom_id\": \"e\", \"prompt\": 7}",
    };

    @TempDir
    private Path directory;

    private Outcome agent(Path output, Object... more) throws Exception {
        Path input = directory.resolve("in.jsonl");
        if (!Files.exists(input)) {
            write(input, QUESTIONS);
        }
        List<Object> arguments = new ArrayList<>(List.of("--model", MODEL, "--input", input, "--output", output));
        arguments.addAll(List.of("--task", "agent", "--temperature", "0"));
        arguments.addAll(List.of(more));
        return run(arguments.toArray());
    }

    private static List<String> turns(Row row) {
        return row.<Row>getList(row.fieldIndex("turns")).stream()
                .map(turn -> turn.getString(0) + "(" + turn.getString(1) + ") -> " + turn.getString(2))
                .toList();
    }

    @Test
    void modelThatCalculatesIsRight() throws Exception {
        Path output = directory.resolve("out");
        Outcome outcome = agent(output, "--chunk-rows", "2");
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        List<Row> rows = rows(output);
        assertThat(rows.subList(0, 4))
                .extracting(row -> row.<String>getAs("generated_text"))
                .containsExactly(
                        "The answer is 5856.",
                        "The answer is 81.44323176298936.",
                        "Hello Queath, how can I help you?",
                        "The answer is 2142.");
        assertThat(rows.subList(0, 4)).allSatisfy(row -> {
            assertThat(row.<String>getAs("finish_reason")).isEqualTo("final");
            List<Row> turns = row.getList(row.fieldIndex("turns"));
            Row usage = row.getAs("usage");
            assertThat(turns.stream().mapToInt(turn -> turn.getInt(4)).sum()).isEqualTo(usage.getInt(0));
            assertThat(turns.stream().mapToInt(turn -> turn.getInt(5)).sum()).isEqualTo(usage.getInt(1));
        });
        assertThat(turns(rows.get(0)))
                .containsExactly("Calculator(output = 32 * 183) -> 5856", "Final Answer(The answer is 5856.) -> null");
        assertThat(turns(rows.get(2))).containsExactly("Final Answer(Hello Queath, how can I help you?) -> null");
        assertThat(rows.get(4).<Row>getAs("error").getString(0)).isEqualTo("invalid_prompt");
        assertThat(rows.get(4).<Object>getAs("turns")).isNull();
        JsonNode manifest =
                new ObjectMapper().readTree(output.resolve("_manifest.json").toFile());
        assertThat(manifest.at("/tokens/completion").asLong())
                .isEqualTo(rows.subList(0, 4).stream()
                        .mapToLong(row -> row.<Row>getAs("usage").getInt(1))
                        .sum());
        // Another batch, another order: the same turns.
        Path alone = directory.resolve("alone");
        agent(alone, "--max-num-seqs", "1", "--partitions", "1");
        assertThat(rows(alone))
                .extracting(row -> String.valueOf(row.<Object>getAs("turns")))
                .isEqualTo(rows.stream()
                        .map(row -> String.valueOf(row.<Object>getAs("turns")))
                        .toList());
    }

    @Test
    void rowsThatComeToNoAnswerKeepWhatWasDone() throws Exception {
        Path once = directory.resolve("once");
        assertThat(agent(once, "--max-turns", "1").exitCode()).isEqualTo(ExitCode.DONE);
        Row first = rows(once).getFirst();
        assertThat(first.<String>getAs("finish_reason")).isEqualTo("max_turns");
        assertThat(first.<String>getAs("generated_text")).isNull();
        assertThat(first.<Row>getAs("error")).isNull();
        assertThat(turns(first)).containsExactly("Calculator(output = 32 * 183) -> 5856");

        Path cut = directory.resolve("cut");
        agent(cut, "--max-tokens", "8", "--require-complete");
        Row second = rows(cut).getFirst();
        assertThat(second.<String>getAs("finish_reason")).isEqualTo("length");
        assertThat(second.<Row>getAs("error").getString(0)).isEqualTo("incomplete_json");
        assertThat(turns(second)).singleElement().asString().startsWith("null(\"Calculator\", ");

        Path small = directory.resolve("small");
        agent(small, "--max-model-len", "150");
        Row third = rows(small).getFirst();
        assertThat(third.<Row>getAs("error").getString(0)).isEqualTo("context_length_exceeded");
        assertThat(third.<Row>getAs("error").getString(1))
                .contains("in.jsonl line 1: turn 2: the prompt has ", "raise --max-model-len");
        assertThat(third.<String>getAs("generated_text")).isNull();
        assertThat(third.<String>getAs("finish_reason")).isNull();
        assertThat(turns(third)).containsExactly("Calculator(output = 32 * 183) -> 5856");
        assertThat(third.<Row>getAs("usage").getInt(1)).isPositive();
    }

    @Test
    void linesHaveTheTurnsBesideTheAnswerOrTheError() throws Exception {
        Path output = directory.resolve("out");
        agent(output, "--output-format", "jsonl");
        JsonNode body = line(output).at("/response/body");
        assertThat(body.at("/object").asText()).isEqualTo("chat.completion");
        assertThat(body.at("/choices/0/message/content").asText()).isEqualTo("The answer is 5856.");
        assertThat(body.at("/choices/0/finish_reason").asText()).isEqualTo("final");
        assertThat(body.at("/turns/0/output").asText()).isEqualTo("5856");
        assertThat(body.at("/turns/1/tool").asText()).isEqualTo("Final Answer");

        Path small = directory.resolve("small");
        agent(small, "--output-format", "jsonl", "--max-model-len", "150");
        JsonNode failed = line(small);
        assertThat(failed.at("/error/code").asText()).isEqualTo("context_length_exceeded");
        assertThat(failed.at("/response/body/choices").isMissingNode()).isTrue();
        assertThat(failed.at("/response/body/turns")).hasSize(1);
        assertThat(failed.at("/response/body/turns/0/output").asText()).isEqualTo("5856");
        assertThat(failed.at("/response/body/usage/completion_tokens").asInt()).isPositive();
    }

    /** The line of the row a, which is in a file of answers or in one of errors. */
    private static JsonNode line(Path output) throws Exception {
        try (Stream<Path> files = Files.list(output)) {
            for (Path file :
                    files.filter(path -> path.toString().endsWith(".jsonl")).toList()) {
                for (String line : Files.readAllLines(file)) {
                    JsonNode parsed = new ObjectMapper().readTree(line);
                    if (parsed.path("custom_id").asText().equals("a")) {
                        return parsed;
                    }
                }
            }
        }
        throw new AssertionError("no line of a in " + output);
    }

    @Test
    void anotherAgentIsAnotherJob() throws Exception {
        Path output = directory.resolve("out");
        Path prompt = Files.writeString(directory.resolve("prompt.txt"), "You have {tools}. Examples:\n{examples}");
        assertThat(agent(output, "--agent-prompt", prompt).exitCode()).isEqualTo(ExitCode.DONE);
        Outcome turns = agent(output, "--agent-prompt", prompt, "--max-turns", "3");
        assertThat(turns.exitCode()).isEqualTo(ExitCode.OUTPUT_EXISTS);
        assertThat(turns.lastLine()).contains("--max-turns was not given and is 3");
        Files.writeString(prompt, "You may call {tools}.");
        Outcome words = agent(output, "--agent-prompt", prompt);
        assertThat(words.exitCode()).isEqualTo(ExitCode.OUTPUT_EXISTS);
        assertThat(words.lastLine()).contains("--agent-prompt was ");
    }

    @Test
    void agentsOfTheApiAreThoseOfTheCommandLine() {
        try (Mixtral agent = Mixtral.load(spark(), MODEL.toString(), Map.of("task", "agent", "temperature", 0))) {
            assertThat(agent.ask("What is 32 times 183?")).isEqualTo("The answer is 5856.");
            Row row = agent.with("max_turns", 1)
                    .generate(spark().sql("SELECT 'What is 32 times 183?' AS prompt"))
                    .head();
            assertThat(row.<String>getAs("finish_reason")).isEqualTo("max_turns");
            assertThat(turns(row)).hasSize(1);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--task agent --tools Abacus | --tools: there is no tool Abacus; there are Calculator",
                "--task agent --max-turns 0 | --max-turns must be at least 1, not 0",
                "--task agent --tool-timeout 0 | --tool-timeout must be at least 1, not 0",
                "--task agent --agent-prompt none.txt | --agent-prompt none.txt cannot be read",
                "--task agent --agent-format native | --agent-format native needs a model with tokens for tools",
                "--task agent --system-prompt x | --system-prompt needs --task chat: an agent has a text of its own",
                "--task agent --messages-column x | --messages-column cannot be given with --task agent",
                "--task agent --n 2 | --n cannot be given with --task agent, which gives one text",
                "--task agent --logprobs 0 | --logprobs cannot be given with --task agent",
                "--task agent --structured-outputs {\"json_object\":true} | --structured-outputs cannot be given",
                "--task agent --output-column-type STRING | --output-column-type cannot be given with --task agent",
                "--tools Calculator | --tools needs --task agent, not chat",
                "--max-turns 3 | --max-turns needs --task agent, not chat",
                "--task complete --agent-format json | --agent-format needs --task agent, not complete",
            })
    void wrongOptionsEndTheJobBeforeItBegins(String options, String message) throws Exception {
        Path input = write(directory.resolve("in.jsonl"), QUESTIONS);
        List<Object> arguments =
                new ArrayList<>(List.of("--model", MODEL, "--input", input, "--output", directory.resolve("out")));
        arguments.addAll(List.of(options.split(" ", -1)));
        Outcome outcome = run(arguments.toArray());
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.USAGE);
        assertThat(outcome.lastLine()).contains(message);
    }

    @Test
    void rowsThatAllAskForOtherThingsEndTheJobBeforeItBegins() throws Exception {
        String[] lines = new String[10];
        java.util.Arrays.setAll(lines, i -> "{\"messages\": [{\"role\": \"user\", \"content\": \"" + i + "\"}]}");
        write(directory.resolve("in.jsonl"), lines);
        Outcome outcome = agent(directory.resolve("out"));
        assertThat(outcome.exitCode()).isEqualTo(ExitCode.INPUT_INVALID);
        assertThat(outcome.lastLine())
                .contains("the task agent takes a prompt, not messages: use the task chat for them");
    }

    @Test
    void theToolSearchFindsPassagesOfAnIndex() throws Exception {
        Path documents = write(
                directory.resolve("documents.jsonl"),
                "{\"custom_id\": \"a\", \"text\": \"The head of Lir Bank is Fax Grend.\"}",
                "{\"custom_id\": \"b\", \"text\": \"The river in Tarn is called Osk.\"}");
        Path index = directory.resolve("index");
        Outcome built = run("index", "--input", documents, "--output", index);
        assertThat(built.exitCode()).as(built.lastLine()).isEqualTo(ExitCode.DONE);
        Path questions = write(
                directory.resolve("questions.jsonl"), "{\"custom_id\": \"a\", \"prompt\": \"Who leads Lir Bank?\"}");
        Outcome outcome = run(
                "--model",
                MODEL,
                "--input",
                questions,
                "--output",
                directory.resolve("found"),
                "--task",
                "agent",
                "--context-index",
                index,
                "--temperature",
                0,
                "--max-tokens",
                64);
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        Row row = rows(directory.resolve("found")).getFirst();
        assertThat(row.<String>getAs("generated_text")).isEqualTo("The head of Lir Bank is Fax Grend.");
        Row turn = row.<Row>getList(row.fieldIndex("turns")).getFirst();
        assertThat(turn.<String>getAs("tool")).isEqualTo("Search");
        assertThat(turn.<String>getAs("output")).isEqualTo("The head of Lir Bank is Fax Grend.");
        assertThat(row.schema().fieldNames()).doesNotContain("contexts");

        Outcome vectors = run(
                "--model",
                MODEL,
                "--input",
                questions,
                "--output",
                directory.resolve("no"),
                "--task",
                "agent",
                "--context-index",
                index,
                "--context-mode",
                "vector");
        assertThat(vectors.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(vectors.lastLine()).contains("--context-mode must be bm25 with --task agent");
        Outcome alone = run(
                "--model",
                MODEL,
                "--input",
                questions,
                "--output",
                directory.resolve("no"),
                "--task",
                "agent",
                "--tools",
                "Search");
        assertThat(alone.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(alone.lastLine()).contains("there is no tool Search");
    }
}
