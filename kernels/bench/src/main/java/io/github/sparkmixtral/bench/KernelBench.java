package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.cpu.Bfloat16BackendProvider;
import java.io.IOException;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.CommandLineOptionException;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.runner.options.OptionsBuilder;

/**
 * Runs {@link KernelBenchmark} with the options of JMH's own command line, and prints a kernel's implementations beside each
 * other. Fails where a kernel is wrong, and where a vector kernel allocates: a vector that is not kept in a register is an object.
 */
public final class KernelBench {

    /** A scratch array in a call is no vector in a loop. */
    private static final double MOST_BYTES_PER_CALL = 1024;

    private KernelBench() {}

    /** Exits with 0, or with 1 where a kernel is wrong or allocates. */
    public static void main(String[] arguments) throws CommandLineOptionException, IOException, RunnerException {
        CommandLineOptions line = new CommandLineOptions(arguments);
        if (line.shouldHelp()) {
            line.showHelp();
            return;
        }
        OptionsBuilder options = new OptionsBuilder();
        options.parent(line).addProfiler(GCProfiler.class).shouldFailOnError(true);
        if (line.getIncludes().isEmpty()) {
            options.include(KernelBenchmark.class.getName());
        }
        if (!line.getParameter("kernels").hasValue()
                && new Bfloat16BackendProvider().unavailable().isPresent()) {
            options.param("kernels", "scalar", "vector");
        }
        Collection<RunResult> results = new Runner(options.build()).run();
        System.out.println();
        System.out.print(table(results));
        List<String> allocating = results.stream()
                .filter(result -> "vector".equals(result.getParams().getParam("kernels")))
                .filter(result -> allocated(result) > MOST_BYTES_PER_CALL)
                .map(result -> "%s allocates %.0f bytes a call".formatted(name(result), allocated(result)))
                .toList();
        allocating.forEach(System.err::println);
        System.exit(allocating.isEmpty() ? 0 : 1);
    }

    private static String table(Collection<RunResult> results) {
        Map<String, Map<String, RunResult>> kernels = new LinkedHashMap<>();
        for (RunResult result : results) {
            kernels.computeIfAbsent(name(result), _ -> new TreeMap<>())
                    .put(result.getParams().getParam("kernels"), result);
        }
        StringBuilder table = new StringBuilder("""
                | kernel, GFLOP/s (GB/s) | scalar | vector | bfloat16 | vector, bytes allocated a call |
                |---|---:|---:|---:|---:|
                """);
        kernels.forEach((name, each) -> {
            table.append("| ").append(name);
            for (String column : List.of("scalar", "vector", "bfloat16")) {
                table.append(" | ").append(figures(each.get(column)));
            }
            RunResult vector = each.get("vector");
            table.append(vector == null ? " | |\n" : String.format(Locale.ROOT, " | %.0f |%n", allocated(vector)));
        });
        return table.toString();
    }

    /** Such as {@code gemm, rows 128, type Q8_0}. */
    private static String name(RunResult result) {
        String method = result.getParams().getBenchmark();
        return result.getParams().getParamsKeys().stream()
                .filter(key -> !key.equals("kernels"))
                .sorted(Comparator.naturalOrder())
                .map(key -> ", " + key + " " + result.getParams().getParam(key))
                .collect(Collectors.joining("", method.substring(method.lastIndexOf('.') + 1), ""));
    }

    /** Such as {@code 104.8 (0.4)}, or only the bytes of what is no arithmetic to speak of. */
    private static String figures(RunResult result) {
        if (result == null) {
            return "";
        }
        double gigaflops = result.getSecondaryResults().get("gigaflops").getScore();
        double gigabytes = result.getSecondaryResults().get("gigabytes").getScore();
        return gigaflops == 0
                ? String.format(Locale.ROOT, "(%.1f)", gigabytes)
                : String.format(Locale.ROOT, "%.1f (%.1f)", gigaflops, gigabytes);
    }

    private static double allocated(RunResult result) {
        return result.getSecondaryResults().entrySet().stream()
                .filter(entry -> entry.getKey().endsWith("gc.alloc.rate.norm"))
                .map(Map.Entry::getValue)
                .mapToDouble(Result::getScore)
                .max()
                .orElse(0);
    }
}
