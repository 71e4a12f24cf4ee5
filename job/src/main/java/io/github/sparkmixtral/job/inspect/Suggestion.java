package io.github.sparkmixtral.job.inspect;

import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.engine.MemoryPlanner.Place;
import io.github.sparkmixtral.engine.MemoryShares;
import io.github.sparkmixtral.job.inference.ExecutorMemory;
import io.github.sparkmixtral.job.inspect.MemoryNeed.Given;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.job.options.InspectOptions;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.model.Quantization;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * What to run.
 *
 * @param command of the job; empty where nothing fits
 * @param reason why this, or what is missing
 * @param memoryOverhead GiB for {@code spark.executor.memoryOverhead}; 0 where nothing fits
 */
record Suggestion(Optional<String> command, String reason, long memoryOverhead) {
    /** On the way of most bits to fewest. */
    private static final List<Quantization> BEST_FIRST =
            List.of(Quantization.NONE, Quantization.Q8_0, Quantization.NF4, Quantization.Q4_0);

    /** A GPU before the machine, all sequences before one of full length, most bits first. */
    static Suggestion of(InspectOptions options, List<MemoryNeed> needs) {
        List<MemoryNeed> usable = needs.stream()
                .filter(need -> need.tokens() > 0 && !need.backend().equals("cpu-bf16"))
                .toList();
        Comparator<MemoryNeed> best = Comparator.comparing((MemoryNeed need) -> !need.takesLongest())
                .thenComparing(need -> need.place() == Place.HOST)
                .thenComparing(need -> !need.takesAll())
                .thenComparing(need -> BEST_FIRST.indexOf(need.quantization()));
        return usable.stream()
                .min(best)
                .map(need -> suggested(options, need, needs))
                .orElseGet(() -> nothing(needs));
    }

    private static Suggestion suggested(InspectOptions options, MemoryNeed need, List<MemoryNeed> needs) {
        MemoryShares shares = need.given().flatMap(Given::shares).orElseThrow();
        // While an engine on a GPU starts, the host holds weights as they are uploaded.
        long host = need.place() == Place.HOST ? shares.bytes() : shares.weights();
        String reason = need.place() == Place.DEVICE ? onGpus(need) : "It fits into the machine's memory";
        return new Suggestion(
                Optional.of(command(options.engine(), need, needs)),
                reason + Text.format(", with room for %,d tokens of keys and values.", need.tokens()),
                ExecutorMemory.overheadGibibytes(host));
    }

    private static String onGpus(MemoryNeed need) {
        int there = need.given().orElseThrow().memory().places();
        int needed = need.places().orElse(there);
        if (there == 1) {
            return "It fits on the GPU";
        }
        return needed == 1
                ? "It fits on each of the " + there + " GPUs (one executor for each), and on all of them"
                : "It fits on the " + there
                        + " GPUs if one executor has all of them (spark.executor.resource.gpu.amount), and needs "
                        + needed;
    }

    private static Suggestion nothing(List<MemoryNeed> needs) {
        return new Suggestion(
                Optional.empty(),
                needs.stream()
                        .min(Comparator.comparingLong(MemoryNeed::least))
                        .map(need -> Text.format(
                                "Nothing fits. The least is the backend %s%s, which needs %s.",
                                need.backend(),
                                need.quantization() == Quantization.NONE
                                        ? ""
                                        : " with --quantization " + OptionValues.text(need.quantization()),
                                Text.gibibytes(need.least())))
                        .orElse("No backend takes this model."),
                0);
    }

    private static String command(EngineIdentity engine, MemoryNeed need, List<MemoryNeed> needs) {
        List<String> words = new ArrayList<>(List.of("spark-mixtral", "--model", shellWord(engine.model())));
        if (need.quantization() != Quantization.NONE) {
            words.addAll(List.of("--quantization", OptionValues.text(need.quantization())));
        }
        // Where there is a GPU, auto takes it.
        boolean beside = need.place() == Place.HOST
                && needs.stream()
                        .anyMatch(other ->
                                other.place() == Place.DEVICE && other.given().isPresent());
        if (!engine.backend().equals(Backends.AUTO) || beside) {
            words.addAll(List.of("--backend", need.backend()));
        }
        if (engine.maxModelLen() > 0) {
            words.addAll(List.of("--max-model-len", Integer.toString(engine.maxModelLen())));
        }
        if (engine.kvCacheMemory() > 0) {
            words.addAll(List.of("--kv-cache-memory", Long.toString(engine.kvCacheMemory())));
        }
        words.addAll(List.of("--input", "prompts.jsonl", "--output", "answers"));
        return String.join(" ", words);
    }

    private static String shellWord(String text) {
        return text.matches("[\\w./:@%+=-]+") ? text : "'" + text.replace("'", "'\\''") + "'";
    }
}
