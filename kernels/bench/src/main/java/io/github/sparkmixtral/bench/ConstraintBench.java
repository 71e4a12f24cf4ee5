package io.github.sparkmixtral.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.bench.ConstrainedSteps.Held;
import io.github.sparkmixtral.bench.ConstrainedSteps.Round;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.grammar.Constraint;
import io.github.sparkmixtral.grammar.Constraints;
import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.grammar.TokenTrie;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures what structured output costs: compiling a schema, finding what a text's state allows, and a step of many rows. */
@Command(
        name = "ConstraintBench",
        mixinStandardHelpOptions = true,
        description = "Measures what structured output costs: compiling a schema, a mask, a step.",
        sortOptions = false)
public final class ConstraintBench implements Callable<Integer> {

    @Option(
            names = "--tokenizer",
            required = true,
            description = "A SentencePiece file whose vocabulary the masks are of.")
    private Path tokenizerFile;

    @Option(
            names = "--backend",
            defaultValue = "cpu",
            description = "The backend that runs the steps (default: ${DEFAULT-VALUE}).")
    private String backend;

    @Mixin
    private ModelOptions modelOptions;

    @Option(names = "--rows", defaultValue = "32", description = "Rows of a step (default: ${DEFAULT-VALUE}).")
    private int rows;

    @Option(
            names = "--new-tokens",
            defaultValue = "48",
            description = "Tokens generated for each row and round (default: ${DEFAULT-VALUE}).")
    private int newTokens;

    @Option(
            names = "--rounds",
            defaultValue = "7",
            description =
                    "Measurements of each figure, in turns, of which the median is told (default: ${DEFAULT-VALUE}).")
    private int rounds;

    @Option(
            names = "--properties",
            defaultValue = "50",
            description = "Properties of the schema that is compiled (default: ${DEFAULT-VALUE}).")
    private int properties;

    @Option(names = "--compile-once", hidden = true, description = "What a new process does to measure a cold start.")
    private boolean compileOnce;

    private Tokenizer tokenizer;

    private ConstraintBench() {}

    /** Exits with 0, with 2 for options that make no sense, with 1 where something fails. */
    public static void main(String[] arguments) {
        System.exit(new CommandLine(new ConstraintBench())
                .setOverwrittenOptionsAllowed(true)
                .execute(arguments));
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        tokenizer = Tokenizer.ofSentencePiece(tokenizerFile);
        if (compileOnce) {
            new ObjectMapper().readTree(ConstraintExample.DOCUMENT); // as rows are read before
            System.out.println(compile().line());
            return 0;
        }
        compiling();
        masks();
        steps();
        return 0;
    }

    /** Milliseconds from a schema's text to what it has been compiled to, by the clock and of processor time, and on to the first mask. */
    private record Compiled(double schema, double processor, double firstMask) {
        String line() {
            return schema + " " + processor + " " + firstMask;
        }

        static Compiled parse(String line) {
            String[] parts = line.strip().split(" ");
            return new Compiled(
                    Double.parseDouble(parts[0]), Double.parseDouble(parts[1]), Double.parseDouble(parts[2]));
        }
    }

    private TokenTrie trie() {
        return new TokenTrie(tokenizer.vocabularySize(), tokenizer.textBytes());
    }

    private Compiled compile() {
        StructuredOutput schema = ConstraintExample.wide(properties);
        Constraints constraints = new Constraints(trie());
        long processor = ConstrainedSteps.processorTime();
        long start = System.nanoTime();
        Constraint constraint = constraints.of(schema);
        long compiled = System.nanoTime();
        processor = ConstrainedSteps.processorTime() - processor;
        constraint.begin(true).allowed();
        return new Compiled((compiled - start) / 1e6, processor / 1e6, (System.nanoTime() - compiled) / 1e6);
    }

    private void compiling() throws IOException, InterruptedException {
        List<Compiled> cold = new ArrayList<>();
        List<Compiled> warm = new ArrayList<>();
        List<Double> vocabulary = new ArrayList<>();
        for (int round = 0; round < rounds; round++) {
            cold.add(inNewProcess());
        }
        for (int round = 0; round < 3 * rounds; round++) {
            long start = System.nanoTime();
            trie();
            vocabulary.add((System.nanoTime() - start) / 1e6);
            warm.add(compile());
        }
        System.out.printf(
                Locale.ROOT,
                """
                | a schema of %d properties, ms (median) | to compile | of it this thread's processor time | to the first mask from there |
                |---|---:|---:|---:|
                | first of a process | %s |
                | later | %s |

                A vocabulary of %d tokens is laid out in %.0f ms, once an engine.

                """,
                properties,
                compiled(cold),
                compiled(warm.subList(rounds, warm.size())),
                tokenizer.vocabularySize(),
                median(vocabulary, Double::doubleValue));
    }

    private static String compiled(List<Compiled> all) {
        return String.format(
                Locale.ROOT,
                "%.1f | %.1f | %.1f",
                median(all, Compiled::schema),
                median(all, Compiled::processor),
                median(all, Compiled::firstMask));
    }

    private Compiled inNewProcess() throws IOException, InterruptedException {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-modules=jdk.incubator.vector",
                        "-cp",
                        System.getProperty("java.class.path"),
                        ConstraintBench.class.getName(),
                        "--tokenizer",
                        tokenizerFile.toString(),
                        "--properties",
                        Integer.toString(properties),
                        "--compile-once")
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IllegalStateException("a new process could not compile the schema");
        }
        return Compiled.parse(output);
    }

    /** Walks a document token by token. */
    private void masks() {
        int[] document = tokenizer.encode(ConstraintExample.DOCUMENT);
        TokenTrie trie = trie();
        List<double[]> first = new ArrayList<>();
        List<double[]> again = new ArrayList<>();
        for (int round = 0; round < 3 * rounds; round++) {
            Constraint constraint = new Constraints(trie).of(ConstraintExample.order(0));
            double[] cold = walk(constraint, document);
            double[] warm = walk(constraint, document);
            if (round >= rounds) {
                first.add(cold);
                again.add(warm);
            }
        }
        System.out.printf(Locale.ROOT, """
                | a mask and a step on, a document of %d tokens, us a token | mean | median | highest |
                |---|---:|---:|---:|
                | the constraint's first document | %s |
                | the same document again | %s |

                """, document.length, line(first), line(again));
    }

    /** Microseconds for each token: its mask, and taking it. */
    private static double[] walk(Constraint constraint, int[] document) {
        double[] micros = new double[document.length];
        Constraint.Text text = constraint.begin(true);
        for (int i = 0; i < document.length; i++) {
            long start = System.nanoTime();
            long[] allowed = text.allowed();
            if ((allowed[document[i] >> 6] >> document[i] & 1) == 0) {
                throw new IllegalStateException("token " + i + " of the document is not allowed");
            }
            text.append(document[i]);
            micros[i] = (System.nanoTime() - start) / 1e3;
        }
        return micros;
    }

    /** Of each token the median of all rounds. */
    private static String line(List<double[]> walks) {
        double[] tokens = new double[walks.getFirst().length];
        for (int i = 0; i < tokens.length; i++) {
            int token = i;
            tokens[i] = median(walks, walk -> walk[token]);
        }
        Arrays.sort(tokens);
        return String.format(
                Locale.ROOT,
                "%.1f | %.1f | %.1f",
                Arrays.stream(tokens).average().orElseThrow(),
                tokens[tokens.length / 2],
                tokens[tokens.length - 1]);
    }

    private void steps() {
        try (Model model = modelOptions.load()) {
            if (model.config().vocabularySize() != tokenizer.vocabularySize()) {
                throw new IllegalArgumentException("the model has "
                        + model.config().vocabularySize() + " tokens, --tokenizer " + tokenizer.vocabularySize());
            }
            BackendOptions options = new BackendOptions(
                    rows,
                    Math.max(2048, 16 * rows),
                    1L << 28,
                    Runtime.getRuntime().availableProcessors());
            try (Backend opened = Backends.find(backend).open(model, options)) {
                ConstrainedSteps steps = new ConstrainedSteps(opened, tokenizer, rows, newTokens);
                System.out.printf(
                        "%s, %d layers of %d x %d%n%n",
                        opened.name(),
                        model.config().layers(),
                        model.config().hiddenSize(),
                        model.config().intermediateSize());
                measure(steps);
            }
        }
    }

    private void measure(ConstrainedSteps steps) {
        Map<String, List<Round>> measured = new LinkedHashMap<>();
        for (int round = -2; round < rounds; round++) {
            for (double temperature : new double[] {0, 1}) {
                for (Held held : Held.values()) {
                    Round one = steps.run(held, temperature);
                    if (round >= 0) {
                        measured.computeIfAbsent(
                                        (temperature == 0 ? "likeliest, " : "drawn, ") + held, _ -> new ArrayList<>())
                                .add(one);
                    }
                }
            }
        }
        System.out.printf("""
                | %d rows | ms a step | of it outside of the backend, processor time | more than free rows, of their step | tokens a step |
                |---|---:|---:|---:|---:|
                """, rows);
        double free = 0;
        double freeHost = 0;
        for (Map.Entry<String, List<Round>> entry : measured.entrySet()) {
            double step = median(entry.getValue(), Round::step);
            double host = median(entry.getValue(), Round::host);
            if (entry.getKey().endsWith(Held.NOTHING.toString())) {
                free = step;
                freeHost = host;
            }
            System.out.printf(
                    Locale.ROOT,
                    "| %s | %.1f | %.2f | %+.1f %% | %.1f |%n",
                    entry.getKey(),
                    step,
                    host,
                    100 * (host - freeHost) / free,
                    median(entry.getValue(), Round::tokens));
        }
    }

    private static <T> double median(List<T> values, ToDoubleFunction<T> figure) {
        double[] sorted = values.stream().mapToDouble(figure).sorted().toArray();
        return sorted[sorted.length / 2];
    }
}
