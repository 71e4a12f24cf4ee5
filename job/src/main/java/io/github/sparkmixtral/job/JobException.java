package io.github.sparkmixtral.job;

/** Ends the job with an exit code and one sentence that tells the user what is wrong and the way out. */
final class JobException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final ExitCode exitCode;

    JobException(ExitCode exitCode, String message) {
        super(message);
        this.exitCode = exitCode;
    }

    JobException(ExitCode exitCode, String message, Throwable cause) {
        super(message, cause);
        this.exitCode = exitCode;
    }

    static JobException usage(String message) {
        return new JobException(ExitCode.USAGE, message);
    }

    static JobException input(String message) {
        return new JobException(ExitCode.INPUT_INVALID, message);
    }

    ExitCode exitCode() {
        return exitCode;
    }
}
