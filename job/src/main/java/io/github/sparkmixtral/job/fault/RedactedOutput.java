package io.github.sparkmixtral.job.fault;

import java.io.ByteArrayOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.Charset;

/** Passes text on line by line, without the secrets in it: the way out for all that a driver tells. */
public final class RedactedOutput extends FilterOutputStream {
    private final Charset charset;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();

    private RedactedOutput(PrintStream out) {
        super(out);
        this.charset = out.charset();
    }

    /** A stream before another one, which it leaves open. */
    public static PrintStream to(PrintStream out) {
        return new PrintStream(new RedactedOutput(out), true, out.charset());
    }

    @Override
    public synchronized void write(int value) throws IOException {
        line.write(value);
        if (value == '\n' || value == '\r') {
            pass();
        }
    }

    private void pass() throws IOException {
        out.write(Redaction.redact(line.toString(charset)).getBytes(charset));
        out.flush();
        line.reset();
    }

    /** What is left of a line waits for its end: a secret may go on there. */
    @Override
    public synchronized void flush() throws IOException {
        out.flush();
    }

    @Override
    public synchronized void close() throws IOException {
        pass();
    }
}
