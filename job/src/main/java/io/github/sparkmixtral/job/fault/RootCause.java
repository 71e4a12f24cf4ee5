package io.github.sparkmixtral.job.fault;

import io.github.sparkmixtral.file.ModelException;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Digs the one sentence that matters out of what Spark has wrapped around it. */
public final class RootCause {

    /** Spark quotes a task's failure in its own message where it has no exception to wrap. */
    private static final Pattern QUOTED = Pattern.compile(
            "io\\.github\\.sparkmixtral\\.[\\w.]*?(ModelException|JobException|Exception): ([^\\r\\n]+)");

    private RootCause() {}

    /** The exit code and the sentence that a job ends with which has thrown this. */
    public static JobException of(Throwable thrown) {
        Throwable root = thrown;
        for (Throwable cause : chain(thrown)) {
            if (cause instanceof JobException job) {
                return job;
            }
            if (cause instanceof ModelException) {
                return new JobException(ExitCode.MODEL_UNUSABLE, cause.getMessage(), thrown);
            }
            root = cause;
        }
        for (Throwable cause : chain(thrown)) {
            Matcher quoted = QUOTED.matcher(String.valueOf(cause.getMessage()));
            if (quoted.find()) {
                boolean model = quoted.group(1).equals("ModelException");
                return new JobException(model ? ExitCode.MODEL_UNUSABLE : ExitCode.FAILED, quoted.group(2), thrown);
            }
        }
        return new JobException(ExitCode.FAILED, sentence(root), thrown);
    }

    /** The innermost cause in one line. */
    public static String sentence(Throwable thrown) {
        Throwable root = chain(thrown).peekLast();
        String message = root.getMessage() == null ? "" : firstLine(root.getMessage());
        // An exception whose message does not speak for itself, as that of most of the JDK's, needs its name.
        boolean named = root instanceof Error || root instanceof RuntimeException || message.isBlank();
        if (root.getClass().getName().startsWith("org.apache.spark")
                || root.getClass().getName().startsWith("io.github.sparkmixtral")) {
            named = message.isBlank();
        }
        String name = root.getClass().getSimpleName();
        return !named ? message : message.isBlank() ? name : name + ": " + message;
    }

    private static String firstLine(String message) {
        return message.lines()
                .map(String::strip)
                .filter(line -> !line.isEmpty())
                .findFirst()
                .orElse("");
    }

    private static Deque<Throwable> chain(Throwable thrown) {
        Deque<Throwable> chain = new ArrayDeque<>();
        Set<Throwable> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        for (Throwable cause = thrown; cause != null && seen.add(cause); cause = cause.getCause()) {
            chain.add(cause);
        }
        return chain;
    }
}
