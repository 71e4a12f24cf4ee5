package io.github.sparkmixtral.job.cli;

import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.github.sparkmixtral.job.cli.TornadovmFlags.UnusableSdkException;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What is submitted to Spark for one call of the launcher.
 *
 * @param message what the user is told before, empty for nothing
 * @param variables of the environment, besides those that are set
 * @param arguments of spark-submit
 */
record Submission(String message, Map<String, String> variables, List<String> arguments) {
    private static final String OWN_CLASS = "io.github.sparkmixtral.job.BatchInferenceJob";

    /** @param words {@code [SPARK-SUBMIT-OPTIONS --] [SUBCOMMAND] OPTIONS} */
    static Submission of(
            List<String> words, Installation installation, Map<String, String> environment, PrintStream err)
            throws IOException {
        String defaults = environment.getOrDefault("SPARK_CONF_DIR", "");
        if (defaults.isEmpty()) {
            defaults = environment.get("SPARK_HOME") + "/conf";
        }
        int dashes = words.indexOf("--");
        List<String> job = new ArrayList<>(words.subList(dashes + 1, words.size()));
        String message = demo(job, installation);
        SubmitOptions submit = new SubmitOptions(
                words.subList(0, Math.max(dashes, 0)), Path.of(defaults, "spark-defaults.conf"), installation);
        String backend = backend(job);
        Map<String, String> variables = new LinkedHashMap<>();
        if (!environment.getOrDefault("TORNADOVM_HOME", "").isEmpty()
                && List.of("auto", "tornado").contains(backend)) {
            addTornadovm(submit, installation, environment, variables, err);
        }
        if (backend.equals("cpu-bf16")) {
            // Its native library travels beside the jar, with the jars of the user's own.
            submit.prepend("spark.jars", "--jars", installation.oneDnn().toString(), ",");
        }
        List<String> arguments = submit.words();
        arguments.addAll(List.of("--class", OWN_CLASS, installation.jar().toString()));
        arguments.addAll(job);
        return new Submission(message, variables, arguments);
    }

    /** Where {@code demo} is asked for, adds what it leaves out; gives what the user is told. */
    private static String demo(List<String> job, Installation installation) {
        if (job.isEmpty() || !job.getFirst().equals("demo")) {
            return "";
        }
        job.removeFirst();
        addUnlessGiven(job, "--config", installation.conf("demo/demo.yaml"));
        addUnlessGiven(job, "--model", installation.conf("demo/model.gguf"));
        addUnlessGiven(job, "--input", installation.conf("demo/prompts.jsonl"));
        String message =
                "The demo asks a small Mixtral, made for it, prompts whose answers are known: see conf/demo/README.md.";
        if (addUnlessGiven(job, "--output", installation.demo())) {
            job.addAll(List.of("--output-mode", "overwrite"));
            if (!installation.demo().isAbsolute()) {
                message += " The answers go to " + installation.demo() + " in this folder.";
            }
        }
        return message;
    }

    private static boolean addUnlessGiven(List<String> job, String option, Path value) {
        if (job.stream().anyMatch(word -> word.equals(option) || word.startsWith(option + "="))) {
            return false;
        }
        job.addAll(List.of(option, value.toString()));
        return true;
    }

    /** The backend that the options ask for, on the command line or in a {@code --config} file. */
    private static String backend(List<String> job) {
        return last(job, "--backend")
                .or(() -> last(job, "--config").flatMap(Submission::backendIn))
                .orElse("auto");
    }

    private static Optional<String> last(List<String> job, String option) {
        Optional<String> value = Optional.empty();
        for (int i = 0; i < job.size(); i++) {
            String word = job.get(i);
            if (word.startsWith(option + "=")) {
                value = Optional.of(word.substring(option.length() + 1));
            } else if (word.equals(option) && i + 1 < job.size()) {
                value = Optional.of(job.get(i + 1));
            }
        }
        return value;
    }

    private static Optional<String> backendIn(String config) {
        try {
            return Optional.ofNullable(new YAMLMapper().readTree(new File(config)))
                    .map(root -> root.path("backend").asText(null));
        } catch (IOException e) {
            // The job says what is wrong with the file.
            return Optional.empty();
        }
    }

    /**
     * TornadoVM compiles kernels in the JVM that runs them, which wants its flags there, and the kernels on the class path with
     * which the JVM starts: jars that Spark adds later are out of its sight. What is set besides is kept.
     */
    private static void addTornadovm(
            SubmitOptions submit,
            Installation installation,
            Map<String, String> environment,
            Map<String, String> variables,
            PrintStream err)
            throws IOException {
        List<String> lines;
        try {
            lines = TornadovmFlags.lines(environment);
        } catch (UnusableSdkException e) {
            err.println("tornadovm-flags: " + e.getMessage());
            err.println("spark-mixtral: running without TornadoVM");
            return;
        }
        byte[] text = (String.join("\n", lines) + "\n").getBytes(StandardCharsets.UTF_8);
        String flags = "\"@" + installation.write("tornadovm.args", text) + "\"";
        String jar = installation.jar().toString();
        submit.prepend("spark.driver.extraClassPath", "--driver-class-path", jar, ":");
        submit.prepend("spark.executor.extraClassPath", "--conf", jar, ":");
        submit.prepend("spark.driver.defaultJavaOptions", "--conf", flags, " ");
        submit.prepend("spark.executor.defaultJavaOptions", "--conf", flags, " ");
        // An OpenCL driver that compiles with LLVM, such as PoCL, takes over the signals that the JVM lives by.
        Path signals =
                Path.of(environment.getOrDefault("JAVA_HOME", System.getProperty("java.home")), "lib/libjsig.so");
        if (String.join("\n", lines).contains("tornado.drivers.opencl") && Files.isRegularFile(signals)) {
            String own = environment.getOrDefault("LD_PRELOAD", "");
            variables.put("LD_PRELOAD", own.isEmpty() ? signals.toString() : signals + ":" + own);
            submit.prepend("spark.executorEnv.LD_PRELOAD", "--conf", signals.toString(), ":");
        }
    }
}
