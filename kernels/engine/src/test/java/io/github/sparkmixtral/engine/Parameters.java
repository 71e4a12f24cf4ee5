package io.github.sparkmixtral.engine;

import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** Sampling parameters for tests: the defaults, but 16 tokens, changed field by field. */
public final class Parameters {
    public int maxTokens = 16;
    public int minTokens = 0;
    public double temperature = 1;
    public double topP = 1;
    public int topK = 0;
    public double minP = 0;
    public double repetitionPenalty = 1;
    public double presencePenalty = 0;
    public double frequencyPenalty = 0;
    public long seed = 0;
    public List<String> stop = List.of();
    public List<Integer> stopTokenIds = List.of();
    public int n = 1;
    public int logprobs = -1;
    public boolean ignoreEos = false;
    public Map<Integer, Double> logitBias = Map.of();

    private Parameters() {}

    public static SamplingParameters of(Consumer<Parameters> change) {
        Parameters p = new Parameters();
        change.accept(p);
        return new SamplingParameters(
                p.maxTokens,
                p.minTokens,
                p.temperature,
                p.topP,
                p.topK,
                p.minP,
                p.repetitionPenalty,
                p.presencePenalty,
                p.frequencyPenalty,
                p.seed,
                p.stop,
                p.stopTokenIds,
                p.n,
                p.logprobs,
                p.ignoreEos,
                p.logitBias);
    }

    /** Temperature 0, {@code maxTokens} tokens. */
    public static SamplingParameters greedy(int maxTokens) {
        return of(p -> {
            p.temperature = 0;
            p.maxTokens = maxTokens;
        });
    }
}
