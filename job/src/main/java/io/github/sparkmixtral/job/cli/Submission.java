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
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What is submitted to Spark for one call of the launcher.
 *
 * @param message what the user is told before, empty for nothing
 * @param variables of the environment, besides those that are set
 * @param arguments of spark-submit
 */
record Submission(String message, Map<String, String> variables, List<String> arguments) {
    private static final String OWN_CLASS = "io.github.sparkmixtral.job.BatchInferenceJob";

    /** With these the demo is still the whole demo. */
    private static final Set<String> OF_ALL_TABLES = Set.of("--output", "--backend", "--verbose");

    /** What the demo's second model is asked: files in {@code conf/demo}, and whether it has the documents. */
    private enum SecondTable {
        AGENT("agent/questions.jsonl", true),
        CALLS("agent/prompts.jsonl", false),
        RETRIEVAL("questions.jsonl", true);

        final String input;
        final boolean documents;

        SecondTable(String input, boolean documents) {
            this.input = input;
            this.documents = documents;
        }
    }

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
        List<String> given = List.copyOf(job);
        addUnlessGiven(job, "--config", installation.conf("demo/demo.yaml"));
        addUnlessGiven(job, "--model", installation.conf("demo/model.gguf"));
        addUnlessGiven(job, "--input", installation.conf("demo/prompts.jsonl"));
        String message =
                "The demo asks a small Mixtral, made for it, prompts whose answers are known: see conf/demo/README.md.";
        List<String> mode = List.of();
        if (addUnlessGiven(job, "--output", installation.demo())) {
            mode = List.of("--output-mode", "overwrite");
            job.addAll(mode);
            if (!installation.demo().isAbsolute()) {
                message += " The answers go to " + installation.demo() + " in this folder.";
            }
        }
        if (given.stream().allMatch(word -> !word.startsWith("-") || OF_ALL_TABLES.contains(word.split("=", 2)[0]))) {
            String output = last(job, "--output").orElseThrow();
            for (SecondTable table : SecondTable.values()) {
                job.addAll(second(table, given, output, installation));
                job.addAll(mode);
            }
        }
        return message;
    }

    /** A job behind the first one. Its answers lie beside the first one's. */
    private static List<String> second(
            SecondTable table, List<String> given, String output, Installation installation) {
        String name = table.name().toLowerCase(Locale.ROOT);
        List<String> job = new ArrayList<>(List.of(Subcommand.THEN, "--output", output + "-" + name));
        last(given, "--backend").ifPresent(backend -> job.addAll(List.of("--backend", backend)));
        if (given.contains("--verbose")) {
            job.add("--verbose");
        }
        addUnlessGiven(job, "--config", installation.conf("demo/agent/" + name + ".yaml"));
        addUnlessGiven(job, "--model", installation.conf("demo/agent/model.gguf"));
        addUnlessGiven(job, "--input", installation.conf("demo/" + table.input));
        if (table.documents) {
            addUnlessGiven(job, "--documents", installation.conf("demo/documents.jsonl"));
        }
        return job;
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
