package io.github.sparkmixtral.job.chat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.inference.ChatEngine;
import io.github.sparkmixtral.job.inference.ChatEngine.Turn;
import io.github.sparkmixtral.job.options.Arguments;
import io.github.sparkmixtral.job.options.ChatOptions;
import io.github.sparkmixtral.service.ParametersReader;
import io.github.sparkmixtral.service.RowRequest;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** Lines that begin with a slash. */
final class ChatCommands {
    private static final List<String> NAMES =
            List.of("/help", "/reset", "/clear", "/system", "/set", "/show", "/save", "/exit");

    /** Parameters of what a chat does not show. */
    private static final Set<String> NOT_SHOWN =
            Set.of("n", "logprobs", "top_logprobs", "prompt_logprobs", "tool_choice");

    private static final String HELP = """
            /reset, /clear      begin a new conversation; the system message and what was set stay
            /system TEXT        give another system message, and begin a new conversation; without TEXT, have none
            /set NAME VALUE     set a parameter of a row, such as temperature 0.2, seed 2 (another answer to the same
                                prompt), max_tokens 100, stop ["\\n"]; without VALUE, take it back; without NAME, tell all
            /show               tell what was sent for the last answer, token by token, and how fast the answer came
            /save FILE          add the last question, with all before it and its answer, to FILE: a line of a job's input
            /exit, Ctrl-D       end
            Ctrl-C stops an answer. A line that ends with \\ goes on; so does one that begins with \"""\", until \"""\".""";

    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final ChatTerminal terminal;
    private final ChatEngine engine;
    private final Transcript transcript;
    private final ChatOptions options;

    /** The last one; null before it. */
    private Asked last;

    private record Asked(RowRequest row, Turn turn) {}

    ChatCommands(ChatTerminal terminal, ChatEngine engine, Transcript transcript, ChatOptions options) {
        this.terminal = terminal;
        this.engine = engine;
        this.transcript = transcript;
        this.options = options;
    }

    /** Notes the last answer. */
    void asked(RowRequest row, Turn turn) {
        last = new Asked(row, turn);
    }

    /** @throws JobException for a command that is wrong, saying how it is right */
    void run(String line) {
        String[] words = line.split("\\s+", 2);
        String rest = words.length < 2 ? "" : words[1];
        switch (words[0]) {
            case "/help" -> HELP.lines().forEach(terminal::note);
            case "/reset", "/clear" -> {
                reset();
                terminal.note("A new conversation.");
            }
            case "/system" -> {
                transcript.system(rest);
                reset();
                terminal.note(
                        rest.isEmpty()
                                ? "A new conversation without a system message."
                                : "A new conversation with this system message.");
            }
            case "/set" -> set(rest);
            case "/show" -> show();
            case "/save" -> save(rest);
            default ->
                throw JobException.usage("unknown command " + words[0]
                        + Arguments.nearest(words[0], NAMES)
                                .map(near -> "; did you mean " + near + "?")
                                .orElse("; /help lists them"));
        }
    }

    private void reset() {
        transcript.reset();
        last = null;
    }

    private void set(String rest) {
        if (rest.isEmpty()) {
            terminal.note(
                    transcript.parameters().isEmpty()
                            ? "Nothing is set; the options of the command line hold."
                            : transcript.parameters().entrySet().stream()
                                    .map(entry -> entry.getKey() + " " + entry.getValue())
                                    .collect(Collectors.joining("\n")));
            return;
        }
        String[] words = rest.split("[\\s=]+", 2);
        String name = words[0].replaceFirst("^--", "").replace('-', '_');
        Set<String> known = new TreeSet<>(ParametersReader.NAMES);
        known.removeAll(NOT_SHOWN);
        if (!known.contains(name)) {
            throw JobException.usage("unknown parameter " + name
                    + Arguments.nearest(
                                    name.replace('_', '-'),
                                    known.stream()
                                            .map(one -> one.replace('_', '-'))
                                            .toList())
                            .map(near -> "; did you mean " + near.replace('-', '_') + "?")
                            .orElse("; there are " + String.join(", ", known)));
        }
        JsonNode before = transcript.parameters().get(name);
        if (words.length < 2) {
            transcript.parameters().remove(name);
            terminal.note(name + " is as the command line says.");
            return;
        }
        transcript.parameters().put(name, value(words[1]));
        RequestError fault = transcript.fault(options.generation().defaults());
        if (fault != null) {
            restore(name, before);
            throw JobException.usage(fault.message());
        }
        terminal.note(name + " is " + transcript.parameters().get(name) + " from now on.");
    }

    private void restore(String name, JsonNode before) {
        if (before == null) {
            transcript.parameters().remove(name);
        } else {
            transcript.parameters().put(name, before);
        }
    }

    /** What is no JSON is text. */
    private static JsonNode value(String text) {
        try {
            return JSON.readTree(text);
        } catch (JsonProcessingException e) {
            return TextNode.valueOf(text);
        }
    }

    private void show() {
        Asked asked = lastAsked();
        int[] tokens = engine.promptTokens(asked.row());
        Tokenizer tokenizer = engine.model().tokenizer();
        Map<Integer, String> controls = tokenizer.controlTokens();
        terminal.note("The prompt, " + tokens.length + " tokens:");
        terminal.note(Arrays.stream(tokens)
                .mapToObj(token -> controls.containsKey(token) ? controls.get(token) : tokenizer.piece(token))
                .collect(Collectors.joining("|")));
        terminal.note(Arrays.toString(tokens));
        Turn turn = asked.turn();
        terminal.note(
                turn.tokens() == null
                        ? "The answer was stopped."
                        : String.format(
                                Locale.ROOT,
                                "The answer: %d tokens in %.2f s (%.1f/s), the first text after %.2f s, ended by %s; %d tokens of the"
                                        + " prompt were in the cache.",
                                turn.tokens().completion(),
                                turn.seconds(),
                                turn.tokens().completion() / turn.seconds(),
                                turn.secondsToText(),
                                turn.finishReason(),
                                turn.tokens().cached()));
    }

    private void save(String file) {
        if (file.isEmpty()) {
            throw JobException.usage("/save needs a file: /save prompts.jsonl");
        }
        Asked asked = lastAsked();
        if (asked.turn().finishReason() == null) {
            throw JobException.usage("the last answer was stopped, so there is no answer to save: ask again");
        }
        try {
            Files.writeString(
                    Path.of(file),
                    Transcript.line(
                                    asked.row(),
                                    engine.drawId(asked.row()),
                                    asked.turn().text())
                            + "\n",
                    StandardOpenOption.CREATE,
                    StandardOpenOption.APPEND);
        } catch (IOException | InvalidPathException e) {
            throw JobException.usage(file + " cannot be written: " + e);
        }
        terminal.note("Added a line to " + file
                + ". With the options of this chat a job answers it alike: spark-mixtral --model "
                + options.generation().engine().model() + " --input " + file + " --output answers");
    }

    private Asked lastAsked() {
        if (last == null) {
            throw JobException.usage("nothing was asked yet");
        }
        return last;
    }
}
