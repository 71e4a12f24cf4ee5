package io.github.sparkmixtral.job.chat;

import io.github.sparkmixtral.job.chat.ChatTerminal.Dropped;
import io.github.sparkmixtral.job.chat.ChatTerminal.End;
import io.github.sparkmixtral.job.chat.ChatTerminal.Input;
import io.github.sparkmixtral.job.chat.ChatTerminal.Line;

/**
 * Puts lines together that belong to one prompt: a line that ends with a backslash goes on with the next one, and one that begins with
 * {@code """} goes on until one ends with it.
 */
record ChatInput(ChatTerminal terminal) {
    private static final String QUOTES = "\"\"\"";

    /** The next prompt or command. */
    Input next() {
        Input first = terminal.read(false);
        if (!(first instanceof Line(String text))) {
            return first;
        }
        if (text.startsWith(QUOTES)) {
            return quoted(text.substring(QUOTES.length()));
        }
        StringBuilder all = new StringBuilder();
        String line = text;
        while (line.endsWith("\\")) {
            all.append(line, 0, line.length() - 1).append('\n');
            switch (terminal.read(true)) {
                case Line more -> line = more.text();
                case Dropped dropped -> {
                    return dropped;
                }
                case End _ -> {
                    return new Line(all.toString().stripTrailing());
                }
            }
        }
        return new Line(all.append(line).toString());
    }

    /** What ends without quotes ends with the input. */
    private Input quoted(String first) {
        StringBuilder all = new StringBuilder();
        String line = first;
        while (!line.endsWith(QUOTES)) {
            all.append(line).append('\n');
            switch (terminal.read(true)) {
                case Line more -> line = more.text();
                case Dropped dropped -> {
                    return dropped;
                }
                case End _ -> {
                    return new Line(all.toString().strip());
                }
            }
        }
        all.append(line, 0, line.length() - QUOTES.length());
        return new Line(all.toString().strip());
    }
}
