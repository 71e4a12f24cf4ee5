package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.model.Model;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;

/**
 * How soon a new process answers. Seconds are counted from the start of the JVM.
 *
 * @param loaded when the model was open
 * @param ready when the backend was open
 * @param firstToken when the first token of a prompt of {@value #PROMPT} tokens was known
 * @param warm when a prompt of {@value #LONG_PROMPT} tokens first went through at {@value #WARM} of the steady rate or more
 * @param steadyTokensPerSecond median rate of the last quarter of those prompts
 */
record Start(double loaded, double ready, double firstToken, double warm, double steadyTokensPerSecond)
        implements Figure {

    static final String HEADER = """
            | s from the start of the JVM to: model open | backend open | first token | 90 %% of the steady rate | steady tokens/s, prompt of %d |
            |---:|---:|---:|---:|---:|""".formatted(Start.LONG_PROMPT);

    private static final int PROMPT = 16;
    static final int LONG_PROMPT = 512;
    private static final double WARM = 0.9;
    private static final double SECONDS_WATCHED = 20;
    private static final int LEAST_PROMPTS = 8;

    /** One prompt of the warm-up. */
    record Prompt(double end, double tokensPerSecond) {}

    /** Opens model and backend and runs prompts for {@value #SECONDS_WATCHED} seconds. To be called once, early in {@code main}. */
    static Start measure(Supplier<Model> load, BackendProvider provider, BackendOptions options) {
        try (Model model = load.get()) {
            double loaded = sinceStart();
            try (Backend backend = provider.open(model, options)) {
                double ready = sinceStart();
                Workload workload = new Workload(backend, model);
                workload.prefill(PROMPT);
                double firstToken = sinceStart();
                List<Prompt> prompts = new ArrayList<>();
                while (prompts.size() < LEAST_PROMPTS || sinceStart() - firstToken < SECONDS_WATCHED) {
                    double seconds = workload.prefill(LONG_PROMPT);
                    prompts.add(new Prompt(sinceStart(), LONG_PROMPT / seconds));
                }
                return of(loaded, ready, firstToken, prompts);
            }
        }
    }

    /** What the prompts come to, in the order in which they ran. */
    static Start of(double loaded, double ready, double firstToken, List<Prompt> prompts) {
        int from = prompts.size() - Math.ceilDiv(prompts.size(), 4);
        double steady = Range.ofRates(prompts.subList(from, prompts.size()).stream()
                        .map(Prompt::tokensPerSecond)
                        .toList())
                .median();
        double warm = prompts.stream()
                .filter(prompt -> prompt.tokensPerSecond() >= WARM * steady)
                .findFirst()
                .orElseThrow()
                .end();
        return new Start(loaded, ready, firstToken, warm, steady);
    }

    private static double sinceStart() {
        return (System.currentTimeMillis()
                        - ManagementFactory.getRuntimeMXBean().getStartTime())
                / 1e3;
    }

    @Override
    public String kind() {
        return "start";
    }

    @Override
    public String line() {
        return String.format(
                Locale.ROOT,
                "| %.2f | %.2f | %.2f | %.2f | %.1f |",
                loaded,
                ready,
                firstToken,
                warm,
                steadyTokensPerSecond);
    }
}
