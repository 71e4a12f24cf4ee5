package io.github.sparkmixtral.job.chat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.UncheckedIOException;

/**
 * Pipes and files: lines come in, and nothing but answers goes out.
 *
 * @param notes get all else
 */
record PipedTerminal(BufferedReader in, PrintWriter out, PrintStream notes) implements ChatTerminal {

    @Override
    public Input read(boolean continued) {
        try {
            String line = in.readLine();
            return line == null ? new End() : new Line(line);
        } catch (IOException e) {
            throw new UncheckedIOException("standard input cannot be read: " + e.getMessage(), e);
        }
    }

    @Override
    public void answer(String text) {
        out.print(text);
        out.flush();
    }

    @Override
    public void endAnswer() {
        out.println();
        out.flush();
    }

    @Override
    public void note(String line) {
        notes.println(line);
    }

    @Override
    public boolean isInteractive() {
        return false;
    }

    /** An interrupt ends the process, as that of any other program in a pipe. */
    @Override
    public Interrupts onInterrupt(Runnable action) {
        return () -> {};
    }

    @Override
    public void close() {}
}
