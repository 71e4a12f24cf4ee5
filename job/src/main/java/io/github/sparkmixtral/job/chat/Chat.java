package io.github.sparkmixtral.job.chat;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.engine.FinishReason;
import io.github.sparkmixtral.job.chat.ChatTerminal.Dropped;
import io.github.sparkmixtral.job.chat.ChatTerminal.End;
import io.github.sparkmixtral.job.chat.ChatTerminal.Interrupts;
import io.github.sparkmixtral.job.chat.ChatTerminal.Line;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.inference.ChatEngine;
import io.github.sparkmixtral.job.inference.ChatEngine.Tokens;
import io.github.sparkmixtral.job.inference.ChatEngine.Turn;
import io.github.sparkmixtral.job.model.ModelCache;
import io.github.sparkmixtral.job.options.ChatOptions;
import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.service.RowRequest;
import java.io.BufferedReader;
import java.io.Console;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A conversation with a model: prompts are answered, lines that begin with a slash are commands. */
public final class Chat {
    private static final Logger LOG = LoggerFactory.getLogger(Chat.class);
    private static final String CONTEXT_FULL = "context_length_exceeded";

    private final ChatTerminal terminal;
    private final ChatEngine engine;
    private final Transcript transcript;
    private final ChatCommands commands;

    /**
     * Talks with a person at this process's terminal, or answers what comes through a pipe, until it ends.
     *
     * @param configuration Hadoop's, for the file systems
     * @param out gets answers that go into a pipe
     * @throws io.github.sparkmixtral.file.ModelException where the model cannot be loaded here
     * @throws JobException for what is wrong with the options, or with what came through the pipe
     */
    public static void run(ChatOptions options, Configuration configuration, PrintWriter out)
            throws InterruptedException {
        GenerationOptions generation = options.generation();
        if (ModelCache.isLocal(generation.engine().model())) {
            // As a job says it, before anything is loaded.
            ModelCache.requireLocal(generation.engine().model());
        }
        generation = generation.on(generation.engine().pinned(configuration, LOG::info));
        Console console = System.console();
        boolean interactive = console != null && console.isTerminal();
        try (ChatEngine engine = ChatEngine.open(generation, configuration);
                ChatTerminal terminal = interactive
                        ? LineTerminal.open(ModelCache.defaultDirectory().resolveSibling("chat-history"))
                        : new PipedTerminal(
                                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)),
                                out,
                                System.err)) {
            if (interactive) {
                terminal.note(generation.engine().modelName() + ", " + engine.maxModelLength()
                        + " tokens of context. /help lists the commands, Ctrl-D ends.");
            }
            new Chat(terminal, engine, options).run();
        }
    }

    Chat(ChatTerminal terminal, ChatEngine engine, ChatOptions options) {
        this.terminal = terminal;
        this.engine = engine;
        this.transcript = new Transcript(options.systemPrompt());
        this.commands = new ChatCommands(terminal, engine, transcript, options);
    }

    /**
     * Goes on until the input ends or {@code /exit}.
     *
     * @throws JobException where a prompt cannot be answered, or a command is wrong, and nobody is there to mend it
     */
    void run() throws InterruptedException {
        ChatInput input = new ChatInput(terminal);
        while (true) {
            switch (input.next()) {
                case End _ -> {
                    return;
                }
                case Dropped _ -> {}
                case Line(String text) when text.isBlank() -> {}
                case Line(String text)
                when text.strip().equals("/exit") -> {
                    return;
                }
                case Line(String text) -> take(text);
            }
        }
    }

    private void take(String text) throws InterruptedException {
        try {
            if (text.startsWith("/")) {
                commands.run(text.strip());
            } else {
                ask(text);
            }
        } catch (JobException mistake) {
            if (!terminal.isInteractive()) {
                throw mistake;
            }
            terminal.note(mistake.getMessage());
        }
    }

    private void ask(String text) throws InterruptedException {
        transcript.ask(text);
        RowRequest row = transcript.row();
        Turn turn;
        try (Interrupts _ = terminal.onInterrupt(engine::stop)) {
            turn = engine.ask(row, terminal::answer);
        }
        if (turn.error() != null) {
            transcript.withdraw();
            throw JobException.input(sentence(turn.error()));
        }
        terminal.endAnswer();
        if (turn.text().isEmpty() && turn.finishReason() == null) {
            transcript.withdraw();
        } else {
            transcript.answer(turn.text());
            commands.asked(row, turn);
        }
        if (turn.finishReason() == null) {
            terminal.note("(stopped)");
        } else {
            tell(turn);
        }
    }

    private static String sentence(RequestError error) {
        return error.code().equals(CONTEXT_FULL)
                ? "the conversation is too long: " + error.message() + "; /reset begins a new one"
                : error.message();
    }

    private void tell(Turn turn) {
        Tokens tokens = turn.tokens();
        if (turn.finishReason().equals(FinishReason.LENGTH.text())) {
            terminal.note(
                    tokens.prompt() + tokens.completion() >= engine.maxModelLength()
                            ? "(cut: the context of " + engine.maxModelLength()
                                    + " tokens is full; /reset begins a new one)"
                            : "(cut at max_tokens; /set max_tokens " + 2 * tokens.completion()
                                    + " lets answers be longer)");
        }
        if (terminal.isInteractive()) {
            terminal.note(String.format(
                    Locale.ROOT,
                    "(%d tokens, %.1f/s; %d of %d tokens of the prompt were in the cache)",
                    tokens.completion(),
                    tokens.completion() / turn.seconds(),
                    tokens.cached(),
                    tokens.prompt()));
        }
    }
}
