package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.fault.RedactedOutput;
import io.github.sparkmixtral.job.fault.RootCause;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/** The command line: one subcommand for one call, the job if none is named. */
public final class Main {
    /** The launcher's variable with the descriptor of its standard error, which it has put a filter before. */
    private static final String STDERR = "SPARK_MIXTRAL_STDERR";

    private Main() {}

    /** Runs the subcommand, and ends the JVM with its exit code. */
    public static void main(String[] arguments) {
        String stderr = System.getenv(STDERR);
        if (stderr != null) {
            Terminal.STANDARD_ERROR.leadTo(Integer.parseInt(stderr));
        }
        StopSignals.handle(Thread.currentThread());
        PrintStream err = StatusLine.install(System.getenv(), System.err);
        // The log goes there.
        System.setErr(RedactedOutput.to(err));
        Optional<JobException> failure = run(arguments, System.out, err);
        if (YarnDriver.isHere()) {
            YarnDriver.end(failure);
        } else {
            System.exit(exitCode(failure).value());
        }
    }

    /** Runs the subcommand. What goes wrong is the last line on {@code err}, in words. */
    public static ExitCode execute(String[] arguments, PrintStream out, PrintStream err) {
        return exitCode(run(arguments, out, err));
    }

    private static ExitCode exitCode(Optional<JobException> failure) {
        return failure.map(JobException::exitCode).orElse(ExitCode.DONE);
    }

    /** What went wrong, if something did. */
    private static Optional<JobException> run(String[] arguments, PrintStream out, PrintStream err) {
        boolean verbose = Arrays.asList(arguments).contains("--verbose");
        try {
            PrintWriter writer = new PrintWriter(out, true, StandardCharsets.UTF_8);
            Optional<Subcommand.Call> call = Subcommand.parse(arguments, writer);
            if (call.isPresent()) {
                verbose = call.get().verbose();
                call.get().run(writer);
            }
            return Optional.empty();
        } catch (Throwable t) {
            JobException cause = StopSignals.reason(t).orElseGet(() -> RootCause.of(t));
            StatusLine.tellNothing();
            PrintStream redacted = RedactedOutput.to(err);
            if (verbose) {
                t.printStackTrace(redacted);
            }
            redacted.println("spark-mixtral: " + cause.getMessage());
            return Optional.of(cause);
        }
    }
}
