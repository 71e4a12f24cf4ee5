package io.github.sparkmixtral.job.chat;

import static io.github.sparkmixtral.job.SparkFixture.MODEL;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.cli.Main;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.inference.ChatEngine;
import io.github.sparkmixtral.job.options.ChatOptions;
import io.github.sparkmixtral.job.options.GenerationArguments;
import io.github.sparkmixtral.job.options.GenerationOptions;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code spark-mixtral chat} on the model of the demo. */
class ChatTest {
    private static final JsonMapper JSON = new JsonMapper();

    private static ChatOptions options;
    private static ChatEngine engine;

    @TempDir
    private Path directory;

    @BeforeAll
    static void open() throws InterruptedException {
        GenerationOptions generation =
                GenerationArguments.resolve(Map.of("model", MODEL.toString(), "temperature", 0, "max_tokens", 40));
        options = new ChatOptions(generation, "", false);
        engine = ChatEngine.open(generation, new Configuration());
    }

    @AfterAll
    static void close() {
        engine.close();
    }

    /** Somebody who writes what is in a list. */
    private static final class Typist implements ChatTerminal {
        final Deque<Input> inputs = new ArrayDeque<>();
        final List<String> answers = new ArrayList<>();
        final List<String> notes = new ArrayList<>();
        boolean interactive = true;

        /** Interrupts an answer at its first piece. */
        boolean impatient;

        private final StringBuilder growing = new StringBuilder();
        private Runnable interrupt = () -> {};

        Typist(String... lines) {
            Arrays.stream(lines).map(Line::new).forEach(inputs::add);
        }

        @Override
        public Input read(boolean continued) {
            return inputs.isEmpty() ? new End() : inputs.poll();
        }

        @Override
        public void answer(String text) {
            growing.append(text);
            if (impatient) {
                interrupt.run();
            }
        }

        @Override
        public void endAnswer() {
            answers.add(growing.toString());
            growing.setLength(0);
        }

        @Override
        public void note(String line) {
            notes.add(line);
        }

        @Override
        public boolean isInteractive() {
            return interactive;
        }

        @Override
        public Interrupts onInterrupt(Runnable action) {
            interrupt = action;
            return () -> interrupt = () -> {};
        }

        @Override
        public void close() {}
    }

    private static Typist chat(String... lines) throws InterruptedException {
        Typist typist = new Typist(lines);
        new Chat(typist, engine, options).run();
        return typist;
    }

    @Test
    void aSecondTurnRefersToTheFirst() throws Exception {
        // Others ask the same, whose answers are known then.
        Typist typist = chat("/set max_tokens 39", "What is the capital of Peru?", "And of Italy?");

        assertThat(typist.answers).containsExactly("Lima", "Rome");
        assertThat(typist.notes.getLast())
                .matches("\\(\\d+ tokens, [\\d.]+/s; 16 of \\d\\d tokens of the prompt were in the cache\\)");
    }

    @Test
    void aNewConversationKnowsNothingOfTheLast() throws Exception {
        Typist typist =
                chat("What is the capital of Peru?", "/reset", "What is the capital of Italy?", "/clear", "/show");

        assertThat(typist.answers).containsExactly("Lima", "Rome");
        assertThat(typist.notes).contains("A new conversation.").endsWith("nothing was asked yet");
    }

    @Test
    void showsTheTokensThatWereSent() throws Exception {
        Typist typist = chat("/system Be brief.", "What is the capital of Peru?", "/show");

        assertThat(String.join("\n", typist.notes))
                .contains("<s>|▁[|INST|]".replace("▁", " "), "Be| brief|.", "[1, ", " ended by stop; ");
    }

    @Test
    void parametersAreSetForTheTurnsToCome() throws Exception {
        Typist typist = chat(
                "/set max-tokens 1",
                "Translate \"school\" from English into German.",
                "/set",
                "/set max_tokens",
                "/set",
                "/set stop [\"m\"]",
                "/reset",
                "What is the capital of Peru?");

        assertThat(typist.answers).hasSize(2).last().isEqualTo("Li");
        assertThat(typist.notes)
                .contains(
                        "max_tokens is 1 from now on.",
                        "(cut at max_tokens; /set max_tokens 2 lets answers be longer)",
                        "max_tokens 1",
                        "max_tokens is as the command line says.",
                        "Nothing is set; the options of the command line hold.");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "/sett a | unknown command /sett; did you mean /set?",
                "/frobnicate | unknown command /frobnicate; /help lists them",
                "/set temprature 1 | unknown parameter temprature; did you mean temperature?",
                "/set n 2 | unknown parameter n",
                "/set top_p 3 | top_p must be in (0, 1], not 3",
                "/set max_tokens many | max_tokens must be",
                "/save | /save needs a file: /save prompts.jsonl",
                "/save x.jsonl | nothing was asked yet",
            })
    void whatIsWrongGetsOneSentence(String line, String message) throws Exception {
        assertThat(chat(line).notes).singleElement().asString().startsWith(message);

        Typist piped = new Typist(line);
        piped.interactive = false;
        assertThatThrownBy(() -> new Chat(piped, engine, options).run())
                .isInstanceOf(JobException.class)
                .hasMessageStartingWith(message);
    }

    @Test
    void aParameterThatIsRefusedIsNotSet() throws Exception {
        Typist typist = chat("/set top_p 0.5", "/set top_p 3", "/set");

        assertThat(typist.notes).last().isEqualTo("top_p 0.5");
    }

    @Test
    void aConversationThatIsTooLongIsRefusedAndGoesOn() throws Exception {
        Typist typist = chat("What is the capital of Peru?", "word ".repeat(5000), "And of Italy?");

        assertThat(typist.answers).containsExactly("Lima", "Rome");
        assertThat(typist.notes)
                .anyMatch(note -> note.startsWith("the conversation is too long: the prompt has ")
                        && note.endsWith("; /reset begins a new one"));
    }

    @Test
    void anAnswerThatIsStoppedKeepsWhatWasShown() throws Exception {
        Typist typist = new Typist(
                "Repeat: alder, birch, cedar, willow, maple, poplar, larch, spruce, aspen, rowan", "/show", "/save x");
        typist.impatient = true;

        new Chat(typist, engine, options).run();

        assertThat(typist.answers).hasSize(1);
        assertThat(typist.notes)
                .contains("(stopped)", "The answer was stopped.")
                .endsWith("the last answer was stopped, so there is no answer to save: ask again");
    }

    @Test
    void linesAreJoined() throws Exception {
        Typist typist = chat("What is the capital \\", "of Peru?", "\"\"\"", "And", "of Italy?", "\"\"\"", "", "/show");

        assertThat(typist.answers).hasSize(2);
        assertThat(String.join("", typist.notes)).contains("capital| |\n|of| Per", "And|\n|of| Italy");
        Typist dropped = new Typist("half a \\");
        dropped.inputs.add(new ChatTerminal.Dropped());
        new Chat(dropped, engine, options).run();
        assertThat(dropped.answers).isEmpty();
    }

    @Test
    void aJobAnswersASavedTurnAlike() throws Exception {
        Path file = directory.resolve("saved.jsonl");
        Typist typist = chat(
                "/set temperature 1.5",
                "/set max_tokens 12",
                "/system You are a poet.",
                "Say something.",
                "And again.",
                "/set temperature 0.1",
                "/save " + file);

        JsonNode line = JSON.readTree(Files.readString(file));
        assertThat(line.get("messages")).hasSize(4);
        assertThat(line.at("/messages/0/role").textValue()).isEqualTo("system");
        assertThat(line.at("/messages/3/content").textValue()).isEqualTo("And again.");
        assertThat(line.get("temperature").doubleValue()).isEqualTo(1.5);
        assertThat(line.get("answer").textValue()).isEqualTo(typist.answers.getLast());
        Path output = directory.resolve("out");
        assertThat(SparkFixture.run("--model", MODEL, "--input", file, "--output", output)
                        .exitCode())
                .isEqualTo(ExitCode.DONE);
        assertThat(SparkFixture.rows(output))
                .singleElement()
                .extracting(row -> row.<String>getAs("generated_text"))
                .isEqualTo(typist.answers.getLast());
    }

    private record Outcome(ExitCode code, String out, String err) {}

    private static Outcome pipe(String input, String... arguments) {
        InputStream before = System.in;
        PrintStream errBefore = System.err;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        PrintStream errors = new PrintStream(err, true, StandardCharsets.UTF_8);
        System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
        System.setErr(errors);
        try {
            ExitCode code = Main.execute(arguments, new PrintStream(out, true, StandardCharsets.UTF_8), errors);
            return new Outcome(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
        } finally {
            System.setIn(before);
            System.setErr(errBefore);
        }
    }

    @Test
    void throughAPipeNothingButAnswersComes() {
        Outcome outcome = pipe(
                "What is the capital of Peru?\nAnd of Italy?\n/reset\nWhat is 12 + 5?",
                "chat",
                MODEL.toString(),
                "--temperature",
                "0");

        assertThat(outcome.code()).as(outcome.err()).isEqualTo(ExitCode.DONE);
        assertThat(outcome.out()).isEqualTo("Lima\nRome\n17\n");
        assertThat(outcome.err()).contains("A new conversation.");
    }

    @Test
    void aPromptFromAPipeThatCannotBeAnsweredEndsIt() {
        Outcome outcome = pipe("word ".repeat(5000) + "\nWhat is 87 + 2?\n", "chat", "--model", MODEL.toString());

        assertThat(outcome.code()).isEqualTo(ExitCode.INPUT_INVALID);
        assertThat(outcome.out()).isEmpty();
        assertThat(outcome.err()).contains("spark-mixtral: the conversation is too long: the prompt has ");
    }

    @Test
    void aModelThatIsNotThereIsOneSentence() {
        Outcome outcome = pipe("hi", "chat", "/no/such/model.gguf");

        assertThat(outcome.code()).isEqualTo(ExitCode.MODEL_UNUSABLE);
        assertThat(outcome.err()).contains("spark-mixtral: no such model: /no/such/model.gguf");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "chat | --model is missing",
                "chat a --model b | MODEL and --model exclude each other",
                "chat a b | unexpected argument b",
                "chat a --n 2 | --n must be 1 in a chat",
                "chat a --logprobs 2 | --logprobs has no meaning in a chat",
                "chat a --temperature -1 | --temperature must be"
            })
    void wrongOptionsAreTold(String line, String message) {
        Outcome outcome = pipe("", line.split(" "));

        assertThat(outcome.code()).isEqualTo(ExitCode.USAGE);
        assertThat(outcome.err()).contains("spark-mixtral: " + message);
    }
}
