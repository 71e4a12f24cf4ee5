package io.github.sparkmixtral.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.bench.Measurement.Kind;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelException;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.model.TensorType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures a backend end to end, without Spark, and prints a table: prompt tokens per second, and tokens per second of decoding. */
@Command(
        name = "EngineBench",
        mixinStandardHelpOptions = true,
        description = "Measures how fast a backend takes in prompts and decodes.",
        sortOptions = false)
public final class EngineBench implements Callable<Integer> {

    /** Shapes of synthetic models. */
    enum Shape {
        MIXTRAL_8X7B,
        SMALL,
        TINY;

        ModelConfig config(int layers) {
            return switch (this) {
                case MIXTRAL_8X7B -> SyntheticModel.mixtral8x7b(layers);
                case SMALL -> SyntheticModel.small(layers);
                case TINY -> SyntheticModel.tiny(layers);
            };
        }
    }

    @Option(
            names = "--backend",
            defaultValue = Backends.AUTO,
            description = "The backend to measure (default: ${DEFAULT-VALUE}).")
    private String backend;

    @Option(names = "--model", description = "A model to load; without it, random weights of --shape.")
    private Path model;

    @Option(
            names = "--shape",
            defaultValue = "SMALL",
            description = "Shape of random weights: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private Shape shape;

    @Option(
            names = "--layers",
            defaultValue = "8",
            description = "Layers of random weights (default: ${DEFAULT-VALUE}).")
    private int layers;

    @Option(
            names = "--weights",
            defaultValue = "Q8_0",
            description = "Type of random weights: F32, BF16, Q8_0 or Q4_0 (default: ${DEFAULT-VALUE}).")
    private TensorType weights;

    @Option(
            names = "--prefill",
            split = ",",
            defaultValue = "512",
            description = "Lengths of prompts to take in (default: ${DEFAULT-VALUE}).")
    private List<Integer> prefills;

    @Option(
            names = "--batch",
            split = ",",
            defaultValue = "1,8,32",
            description = "Numbers of sequences to decode together (default: ${DEFAULT-VALUE}).")
    private List<Integer> batches;

    @Option(
            names = "--context",
            defaultValue = "128",
            description = "Tokens of each sequence before decoding begins (default: ${DEFAULT-VALUE}).")
    private int context;

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
            defaultValue = "0",
            description = "Worker threads of the CPU backend; 0 for all processors (default: ${DEFAULT-VALUE}).")
    private int threads;

    @Option(
            names = "--bandwidth",
            description =
                    "Bytes per second that the device's memory copies, measured beside this; adds each figure's share of it.")
    private Double bandwidth;

    @Option(names = "--json", description = "File for the figures as JSON lines.")
    private Path json;

    /** Runs it; exits with 0, with 2 for wrong options and with 1 where it fails. */
    public static void main(String[] args) {
        CommandLine command = new CommandLine(new EngineBench()).setCaseInsensitiveEnumValuesAllowed(true);
        command.setExecutionExceptionHandler((failure, line, _) -> {
            if (failure instanceof ModelException
                    || failure instanceof IllegalArgumentException
                    || failure instanceof IllegalStateException) {
                line.getErr().println("EngineBench: " + failure.getMessage());
                return 1;
            }
            throw failure;
        });
        System.exit(command.execute(args));
    }

    @Override
    public Integer call() throws IOException {
        BackendProvider provider = Backends.find(backend);
        int longest = prefills.stream().mapToInt(Integer::intValue).max().orElse(1);
        int widest = batches.stream().mapToInt(Integer::intValue).max().orElse(1);
        List<Measurement> results = new ArrayList<>();
        long start = System.nanoTime();
        try (Model loaded = load()) {
            BackendOptions options = new BackendOptions(
                    widest, Math.max(longest, widest), cacheBytes(loaded.config(), longest, widest), threads);
            try (Backend opened = provider.open(loaded, options)) {
                System.out.printf(
                        Locale.ROOT,
                        "%s, %s, %d layers of %d x %d, ready after %.1f s%n%n",
                        opened.name(),
                        loaded.description().format(),
                        loaded.config().layers(),
                        loaded.config().hiddenSize(),
                        loaded.config().intermediateSize(),
                        (System.nanoTime() - start) / 1e9);
                System.out.println(Measurement.header());
                Workload workload = new Workload(opened, loaded);
                for (int length : prefills) {
                    results.add(measure(workload, Kind.PREFILL, length));
                }
                for (int sequences : batches) {
                    results.add(measure(workload, Kind.DECODE, sequences));
                }
            }
        }
        if (json != null) {
            ObjectMapper mapper = new ObjectMapper();
            try (var out = Files.newBufferedWriter(json)) {
                for (Measurement result : results) {
                    out.write(mapper.writeValueAsString(result));
                    out.newLine();
                }
            }
        }
        return 0;
    }

    private Model load() {
        return model == null
                ? SyntheticModel.of(shape.config(layers), weights, 42)
                : ModelLoader.load(model, Quantization.NONE, _ -> {});
    }

    /** Room for what is measured, whatever the backend takes for a key or a value: at most a float. */
    private long cacheBytes(ModelConfig config, int longest, int widest) {
        long blocks = Math.max(
                Math.ceilDiv(longest, BackendOptions.BLOCK_SIZE),
                (long) widest * Math.ceilDiv(context + steps + 1, BackendOptions.BLOCK_SIZE));
        return 2
                * (blocks + 1)
                * BackendOptions.BLOCK_SIZE
                * config.layers()
                * config.kvHeads()
                * (config.headDimension() + 1L)
                * Float.BYTES;
    }

    private Measurement measure(Workload workload, Kind kind, int size) {
        double[] seconds = new double[rounds];
        for (int round = -warmUp; round < rounds; round++) {
            double taken = switch (kind) {
                case PREFILL -> workload.prefill(size);
                case DECODE -> workload.decode(size, context, steps);
            };
            if (round >= 0) {
                seconds[round] = taken;
            }
        }
        Measurement result = Measurement.of(kind, size, seconds, workload.bytesRead(size), bandwidth);
        System.out.println(result.line());
        return result;
    }
}
