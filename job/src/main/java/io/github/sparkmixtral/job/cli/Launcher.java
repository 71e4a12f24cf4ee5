package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.fault.JobException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * What {@code bin/spark-mixtral} starts first: prints a line with what to tell the user, which may be empty, and the words of the
 * command that runs the job, each ended by NUL. The words may begin with variables of the environment as NAME=value.
 */
public final class Launcher {
    private Launcher() {}

    /** Prints the command, or ends the JVM with 1 and one sentence. */
    public static void main(String[] arguments) {
        PrintStream out = System.out;
        try {
            Map<String, String> environment = System.getenv();
            Path home = Path.of(System.getProperty("spark-mixtral.home"));
            String target = System.getProperty("spark-mixtral.target", "");
            Installation installation = target.isEmpty()
                    ? Installation.unpacked(home, environment)
                    : Installation.built(home, Path.of(target));
            Submission submission = Submission.of(Arrays.asList(arguments), installation, environment, System.err);
            StringBuilder text = new StringBuilder(submission.message()).append('\n');
            for (String word : command(submission, Path.of(environment.get("SPARK_HOME")))) {
                text.append(word).append('\0');
            }
            // As the JVM has read its own arguments.
            out.write(text.toString().getBytes(Charset.forName(System.getProperty("sun.jnu.encoding"))));
            out.flush();
        } catch (JobException e) {
            System.err.println("spark-mixtral: " + e.getMessage());
            System.exit(1);
        } catch (IOException | RuntimeException e) {
            System.err.println("spark-mixtral: the job could not be started: " + e);
            System.exit(1);
        }
    }

    private static List<String> command(Submission submission, Path sparkHome) {
        List<String> words = new ArrayList<>();
        submission.variables().forEach((name, value) -> words.add(name + "=" + value));
        Path submit = sparkHome.resolve("bin/spark-submit");
        if (Files.isExecutable(submit)) {
            words.add(submit.toString());
            words.addAll(submission.arguments());
        } else {
            words.addAll(driver(submission.arguments()));
        }
        return words;
    }

    /**
     * The command of the driver's JVM, which Spark's own launcher makes of spark-submit's arguments. It prints a line that ends
     * its messages, then the words, each ended by NUL; its class is closed to other packages, so it is called by name.
     */
    private static List<String> driver(List<String> arguments) {
        List<String> words = new ArrayList<>(List.of("org.apache.spark.deploy.SparkSubmit"));
        words.addAll(arguments);
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        PrintStream out = System.out;
        System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
        try {
            var main = Class.forName("org.apache.spark.launcher.Main").getMethod("main", String[].class);
            main.setAccessible(true);
            main.invoke(null, (Object) words.toArray(String[]::new));
        } catch (ReflectiveOperationException e) {
            throw JobException.usage("Spark's launcher made no command: " + (e.getCause() == null ? e : e.getCause()));
        } finally {
            System.setOut(out);
        }
        String text = printed.toString(StandardCharsets.UTF_8);
        String command = text.substring(text.indexOf('\n') + 1);
        return Arrays.asList(command.split("\0", -1)).subList(0, command.split("\0", -1).length - 1);
    }
}
