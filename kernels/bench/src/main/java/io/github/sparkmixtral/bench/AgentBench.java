package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.agent.AgentOptions;
import io.github.sparkmixtral.agent.AgentOptions.Format;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.service.CompletionService;
import io.github.sparkmixtral.service.ServiceOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures rows that take several turns: in one continuous batch, and turn by turn as one job for each. */
@Command(
        name = "AgentBench",
        mixinStandardHelpOptions = true,
        description = "Measures an agent's rows a second, in one batch and turn by turn.",
        sortOptions = false)
public final class AgentBench implements Callable<Integer> {

    @Option(
            names = "--backend",
            defaultValue = Backends.AUTO,
            description = "The backend to measure (default: ${DEFAULT-VALUE}).")
    private String backend;

    @Mixin
    private ModelOptions modelOptions;

    @Option(names = "--rows", defaultValue = "128", description = "Rows to answer (default: ${DEFAULT-VALUE}).")
    private int rows;

    @Option(
            names = "--sequences",
            defaultValue = "32",
            description = "Most sequences in a step (default: ${DEFAULT-VALUE}).")
    private int sequences;

    @Option(
            names = "--tool-seconds",
            defaultValue = "0.5",
            description =
                    "Mean time of a call; the times are drawn from an exponential distribution (default: ${DEFAULT-VALUE}).")
    private double toolSeconds;

    @Option(
            names = "--max-turns",
            defaultValue = "6",
            description = "Most requests for a row (default: ${DEFAULT-VALUE}).")
    private int maxTurns;

    @Option(
            names = "--rounds",
            defaultValue = "3",
            description =
                    "Measurements of each way, in turns, of which the median is told (default: ${DEFAULT-VALUE}).")
    private int rounds;

    @Option(names = "--threads", defaultValue = "0", description = "Worker threads, 0 for all processors.")
    private int threads;

    /** Runs it; exits with 0, with 2 for wrong options and with 1 where it fails. */
    public static void main(String[] args) {
        System.exit(commandLine().execute(args));
    }

    static CommandLine commandLine() {
        return new CommandLine(new AgentBench())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setExecutionExceptionHandler(new FailureLine());
    }

    @Override
    public Integer call() throws InterruptedException {
        if (Math.min(Math.min(rows, sequences), Math.min(maxTurns, rounds)) < 1 || !(toolSeconds >= 0)) {
            throw new IllegalArgumentException("every number must be at least 1, and --tool-seconds at least 0");
        }
        List<Double> together = new ArrayList<>();
        List<Double> apart = new ArrayList<>();
        int turns = 0;
        try (Model model = modelOptions.load()) {
            for (int round = -1; round < rounds; round++) {
                AgentRows.Run once = run(model, true);
                AgentRows.Run each = run(model, false);
                if (!once.answers().equals(each.answers())) {
                    throw new IllegalStateException("the two ways have given other answers");
                }
                turns = once.turns();
                // The first round only warms up.
                if (round >= 0) {
                    together.add(once.seconds());
                    apart.add(each.seconds());
                }
            }
        }
        Range rate = Range.of(rows, together);
        Range apartRate = Range.of(rows, apart);
        System.out.printf(
                Locale.ROOT,
                "%d rows, %.2f turns a row, %d sequences at a time, tools of %.2f s on average%n%n",
                rows,
                (double) turns / rows,
                sequences,
                toolSeconds);
        System.out.println("| what | rows a second, median (range) |\n|---|---:|");
        System.out.printf("| one continuous batch | %s |%n", rate.line(1));
        System.out.printf("| turn by turn | %s |%n", apartRate.line(1));
        System.out.printf(Locale.ROOT, "%nOne batch: %.2f times as fast.%n", rate.median() / apartRate.median());
        return 0;
    }

    /** On an engine of its own, which knows no prefix and remembers no answer. */
    private AgentRows.Run run(Model model, boolean continuous) throws InterruptedException {
        BackendProvider provider = Backends.find(backend);
        boolean random = modelOptions.random();
        AgentRows agent = new AgentRows(
                new AgentOptions(List.of(AgentRows.TOOL), maxTurns, 600, null, Format.JSON),
                new SamplingParameters(
                        64, 0, random ? 1 : 0, 1, 0, 0, 1, 0, 0, 0, List.of(), List.of(), 1, -1, false, Map.of()),
                random,
                toolSeconds);
        try (CompletionService service = CompletionService.start(
                model.description(),
                provider.open(model, new BackendOptions(sequences, 2048, 512L << 20, threads)),
                new ServiceOptions(0, sequences))) {
            return continuous ? agent.continuously(service, rows) : agent.turnByTurn(service, model, rows);
        }
    }
}
