package io.github.sparkmixtral.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.bench.Limits.Limit;
import io.github.sparkmixtral.bench.Measurement.What;
import io.github.sparkmixtral.engine.Activations;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.memory.MemoryLimit;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.testkit.ModelWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.DoubleSupplier;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Measures a backend end to end, without Spark, and prints tables: prompt tokens per second, tokens per second of decoding, whole
 * jobs, and what the machine can do at most.
 */
@Command(
        name = "EngineBench",
        mixinStandardHelpOptions = true,
        description = "Measures how fast a backend takes in prompts and decodes.",
        sortOptions = false)
public final class EngineBench implements Callable<Integer> {

    /** Most sequences and most tokens in a step of a job that does not say otherwise. */
    private static final int JOB_SEQUENCES = 64;

    private static final int JOB_TOKENS = 2048;

    /** Rounds of the limits between two measurements. */
    private static final int LIMIT_ROUNDS = 3;

    @Option(
            names = "--backend",
            defaultValue = Backends.AUTO,
            description = "The backend to measure (default: ${DEFAULT-VALUE}).")
    private String backend;

    @Option(
            names = "--activations",
            defaultValue = "auto",
            description = "auto, f32 or int16: what quantized weights are multiplied by (default: ${DEFAULT-VALUE}).")
    private Activations activations;

    @Mixin
    private ModelOptions modelOptions;

    @Option(
            names = "--prefill",
            split = ",",
            defaultValue = "512",
            description = "Lengths of prompts to take in, 0 for none (default: ${DEFAULT-VALUE}).")
    private List<Integer> prefills;

    @Option(
            names = "--batch",
            split = ",",
            defaultValue = "1,8,32",
            description = "Numbers of sequences to decode together, 0 for none (default: ${DEFAULT-VALUE}).")
    private List<Integer> batches;

    @Option(
            names = "--context",
            split = ",",
            defaultValue = "128",
            description =
                    "Tokens of each sequence before decoding begins; each with every --batch (default: ${DEFAULT-VALUE}).")
    private List<Integer> contexts;

    @Option(
            names = "--steps",
            defaultValue = "32",
            description = "Decoding steps of a measurement (default: ${DEFAULT-VALUE}).")
    private int steps;

    @Option(
            names = "--rounds",
            defaultValue = "5",
            description = "Measurements of each figure, of which the median is told (default: ${DEFAULT-VALUE}).")
    private int rounds;

    @Option(
            names = "--warm-up",
            defaultValue = "3",
            description = "Rounds before the first that counts (default: ${DEFAULT-VALUE}).")
    private int warmUp;

    @Option(
            names = "--threads",
            split = ",",
            defaultValue = "0",
            description =
                    "Worker threads of the CPU backend, 0 for all processors; several measure all again (default: ${DEFAULT-VALUE}).")
    private List<Integer> threadCounts;

    @Option(
            names = "--job",
            paramLabel = "PROMPTSxINxOUT",
            description =
                    "A job to run through the engine, such as 32x128x64: prompts, tokens of each, new tokens for each.")
    private String job;

    @Option(
            names = "--shared-prefix",
            split = ",",
            defaultValue = "0",
            description =
                    "Leading tokens that all prompts of the job share; several run it again (default: ${DEFAULT-VALUE}).")
    private List<Integer> sharedPrefixes;

    @Option(
            names = "--temperature",
            defaultValue = "0",
            description =
                    "Temperature at which the job's tokens are drawn; 0 takes the likeliest (default: ${DEFAULT-VALUE}).")
    private double temperature;

    @Option(
            names = "--top-p",
            split = ",",
            defaultValue = "1",
            description = "top_p of the job's draws; several run it again (default: ${DEFAULT-VALUE}).")
    private List<Double> topPs;

    @Option(
            names = "--limits",
            description =
                    "Also measure, before, between and after the rest, how fast this machine reads memory and multiplies; adds each figure's share of it.")
    private boolean limits;

    @Option(names = "--plot", description = "Also draw tokens per second against --batch, as a Mermaid diagram.")
    private boolean plot;

    @Option(
            names = "--bandwidth",
            description =
                    "Bytes per second that the device's memory copies, measured beside this; adds each figure's share of it.")
    private Double bandwidth;

    @Option(
            names = "--start",
            description =
                    "Instead: measure how soon this process answers with the given --model, and how soon at full speed.")
    private boolean start;

    @Option(names = "--write", paramLabel = "FILE", description = "Instead: write the random weights as a GGUF file.")
    private Path write;

    @Option(names = "--json", description = "File for the figures as JSON lines.")
    private Path json;

    /** Runs it; exits with 0, with 2 for wrong options and with 1 where it fails. */
    public static void main(String[] args) {
        System.exit(commandLine().execute(args));
    }

    static CommandLine commandLine() {
        return new CommandLine(new EngineBench())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setExecutionExceptionHandler(new FailureLine());
    }

    @Override
    public Integer call() throws IOException {
        checkOptions();
        if (write != null) {
            writeModel();
            return 0;
        }
        BackendProvider provider = Backends.find(backend);
        List<Job> jobs = job == null
                ? List.of()
                : sharedPrefixes.stream()
                        .map(shared -> Job.parse(job, shared))
                        .flatMap(parsed -> topPs.stream().map(topP -> parsed.drawn(temperature, topP)))
                        .toList();
        if (start) {
            startOnly(provider);
            return 0;
        }
        List<Measurement> stepResults = new ArrayList<>();
        List<Job.Result> jobResults = new ArrayList<>();
        List<Limit> limitResults = List.of();
        try (Model model = modelOptions.load();
                Limits machine = limits ? new Limits(threadsToLimit()) : null) {
            for (int threads : threadCounts) {
                try (Backend opened = open(provider, model, jobs, threads)) {
                    measureSteps(new Workload(opened, model), threads, machine, stepResults);
                    for (Job each : jobs) {
                        measure(machine);
                        jobResults.add(Job.Result.of(each, threads, rounds(() -> each.run(opened, model))));
                        tell(jobResults.getLast());
                    }
                }
            }
            if (machine != null) {
                measure(machine);
                limitResults = machine.limits();
                stepResults.replaceAll(step -> step.within(machine.of(processors(step.threads()))));
            }
        }
        if (bandwidth != null) {
            stepResults.replaceAll(step -> step.within(bandwidth));
        }
        print(Limits.HEADER, limitResults);
        print(Measurement.HEADER, stepResults);
        print(Job.Result.HEADER, jobResults);
        if (plot) {
            Plot.ofBatches(stepResults).forEach(System.out::println);
        }
        writeJson(Stream.of(limitResults, stepResults, jobResults)
                .flatMap(List::stream)
                .toList());
        return 0;
    }

    private void checkOptions() {
        atLeast(0, "--prefill", prefills);
        atLeast(0, "--batch", batches);
        atLeast(1, "--context", contexts);
        atLeast(0, "--threads", threadCounts);
        atLeast(1, "--steps", List.of(steps));
        atLeast(1, "--rounds", List.of(rounds));
        atLeast(0, "--warm-up", List.of(warmUp));
    }

    private static void atLeast(int least, String option, List<Integer> values) {
        for (int value : values) {
            if (value < least) {
                throw new IllegalArgumentException(option + " must be at least " + least + ", not " + value);
            }
        }
    }

    private void writeModel() throws IOException {
        if (!modelOptions.random()) {
            throw new IllegalArgumentException("--write writes random weights: leave out --model");
        }
        try (Model model = modelOptions.load()) {
            ModelWriter.writeGguf(
                    write, model, SyntheticModel.vocabulary(model.config().vocabularySize()));
        }
    }

    private void startOnly(BackendProvider provider) throws IOException {
        if (modelOptions.random()) {
            throw new IllegalArgumentException("--start needs a --model, which --write makes");
        }
        BackendOptions options = options(1, JOB_TOKENS, 0, threadCounts.getFirst());
        List<Start> results = List.of(Start.measure(modelOptions::load, provider, options));
        print(Start.HEADER, results);
        writeJson(results);
    }

    private Backend open(BackendProvider provider, Model model, List<Job> jobs, int threads) {
        long begin = System.nanoTime();
        Backend opened = provider.open(model, options(model.config(), jobs, threads));
        System.out.printf(
                Locale.ROOT,
                "%s, %s, %d layers of %d x %d, backend ready after %.1f s%n%n",
                opened.name(),
                model.description().format(),
                model.config().layers(),
                model.config().hiddenSize(),
                model.config().intermediateSize(),
                (System.nanoTime() - begin) / 1e9);
        return opened;
    }

    private static int processors(int threads) {
        return threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
    }

    private List<Integer> threadsToLimit() {
        return Stream.concat(Stream.of(1), threadCounts.stream().map(EngineBench::processors))
                .distinct()
                .toList();
    }

    /** A backend as a job has it where nothing else is said, or larger where a measurement needs it; its cache holds what is measured. */
    private BackendOptions options(ModelConfig config, List<Job> jobs, int threads) {
        int widest = Math.max(largest(batches), jobs.isEmpty() ? 1 : JOB_SEQUENCES);
        int longest = largest(prefills);
        long blocks = blocks(longest);
        blocks = Math.max(blocks, (long) largest(batches) * blocks(largest(contexts) + steps));
        for (Job each : jobs) {
            blocks = Math.max(blocks, (long) Math.min(each.prompts(), JOB_SEQUENCES) * blocks(each.length()));
        }
        // Whatever the backend takes for a key or a value: at most a float.
        long bytes = 2
                * (blocks + 1)
                * BackendOptions.BLOCK_SIZE
                * config.layers()
                * config.kvHeads()
                * (config.headDimension() + 1L)
                * Float.BYTES;
        return options(widest, Math.max(JOB_TOKENS, Math.max(longest, widest)), bytes, threads);
    }

    private BackendOptions options(int sequences, int tokens, long cacheBytes, int threads) {
        return new BackendOptions(
                sequences, tokens, cacheBytes, threads, 0, BackendOptions.ANY_DEVICES, activations, MemoryLimit.NONE);
    }

    private static int blocks(int tokens) {
        return Math.ceilDiv(tokens, BackendOptions.BLOCK_SIZE);
    }

    private static int largest(List<Integer> sizes) {
        return sizes.stream().mapToInt(Integer::intValue).max().orElse(0);
    }

    private void measureSteps(Workload workload, int threads, Limits machine, List<Measurement> results) {
        for (int length : prefills) {
            if (length > 0) {
                measure(machine);
                List<Double> seconds = rounds(() -> workload.prefill(length));
                results.add(Measurement.of(
                        What.PREFILL,
                        length,
                        0,
                        threads,
                        seconds,
                        workload.operations(length, 1),
                        workload.bytesRead(length)));
                tell(results.getLast());
            }
        }
        for (int context : contexts) {
            for (int batch : batches) {
                if (batch > 0) {
                    measure(machine);
                    List<Double> all = workload.decode(batch, context, steps, warmUp + rounds);
                    List<Double> seconds = all.subList(warmUp, all.size());
                    results.add(Measurement.of(
                            What.DECODE,
                            batch,
                            context,
                            threads,
                            seconds,
                            workload.operations(batch, batch),
                            workload.bytesRead(batch)));
                    tell(results.getLast());
                }
            }
        }
    }

    private List<Double> rounds(DoubleSupplier measured) {
        List<Double> seconds = new ArrayList<>();
        for (int round = -warmUp; round < rounds; round++) {
            double taken = measured.getAsDouble();
            if (round >= 0) {
                seconds.add(taken);
            }
        }
        return seconds;
    }

    private static void measure(Limits machine) {
        for (int round = 0; machine != null && round < LIMIT_ROUNDS; round++) {
            machine.round();
        }
    }

    /** What is known before the tables are, which come last: shares need all rounds of the limits. */
    private static void tell(Figure figure) {
        System.err.println(figure.line());
    }

    private static void print(String header, List<? extends Figure> figures) {
        if (!figures.isEmpty()) {
            System.out.println(header);
            figures.forEach(figure -> System.out.println(figure.line()));
            System.out.println();
        }
    }

    private void writeJson(List<? extends Figure> figures) throws IOException {
        if (json == null) {
            return;
        }
        ObjectMapper mapper = new ObjectMapper();
        try (var out = Files.newBufferedWriter(json)) {
            for (Figure figure : figures) {
                out.write(mapper.writeValueAsString(figure));
                out.newLine();
            }
        }
    }
}
