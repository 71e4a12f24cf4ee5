package io.github.sparkmixtral.job.fault;

/** Ends the job with an exit code and one sentence that tells the user what is wrong and the way out. */
public final class JobException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final ExitCode exitCode;

    public JobException(ExitCode exitCode, String message) {
        super(message);
        this.exitCode = exitCode;
    }

    public JobException(ExitCode exitCode, String message, Throwable cause) {
        super(message, cause);
        this.exitCode = exitCode;
    }

    public static JobException usage(String message) {
        return new JobException(ExitCode.USAGE, message);
    }

    public static JobException input(String message) {
        return new JobException(ExitCode.INPUT_INVALID, message);
    }

    public ExitCode exitCode() {
        return exitCode;
    }
}
