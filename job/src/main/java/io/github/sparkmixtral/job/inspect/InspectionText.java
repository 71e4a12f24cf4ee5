package io.github.sparkmixtral.job.inspect;

import io.github.sparkmixtral.engine.MemoryPlanner.Memory;
import io.github.sparkmixtral.engine.MemoryPlanner.Place;
import io.github.sparkmixtral.engine.MemoryShares;
import io.github.sparkmixtral.job.inspect.MemoryNeed.Given;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.job.options.InspectOptions;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.model.ModelConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** An inspection for people. */
final class InspectionText {
    /** What every model that runs is. */
    static final String ARCHITECTURE = "MixtralForCausalLM";

    static final String TOKENIZER = "SentencePiece BPE";

    /** Control tokens that are told by name; a vocabulary may have hundreds. */
    private static final int MOST_TOKENS = 16;

    private static final List<String> COLUMNS = List.of(
            "backend",
            "quantization",
            "weights",
            "workspace",
            "one sequence",
            "whole cache",
            "needs at least",
            "for all",
            "fits");

    private InspectionText() {}

    static String of(Inspection inspection) {
        StringBuilder text = new StringBuilder();
        addModel(inspection, text);
        addMemory(inspection, text);
        Suggestion suggestion = inspection.suggestion();
        text.append('\n').append(suggestion.reason()).append('\n');
        suggestion
                .command()
                .ifPresent(command -> text.append("  ").append(command).append('\n'));
        if (suggestion.memoryOverhead() > 0) {
            text.append(Text.format(
                    "If YARN or Kubernetes limits executors, give them spark.executor.memoryOverhead=%dg.%n",
                    suggestion.memoryOverhead()));
        }
        return text.toString();
    }

    private static void addModel(Inspection inspection, StringBuilder text) {
        ModelFacts facts = inspection.facts();
        ModelConfig config = facts.description().config();
        text.append(inspection.options().engine().modelName()).append('\n');
        line(text, "architecture", ARCHITECTURE + ", " + facts.description().format());
        line(
                text,
                "parameters",
                Text.count(facts.description().parameters()) + ", " + Text.count(facts.activeParameters())
                        + " of them active for a token");
        line(text, "layers", Text.format("%,d", config.layers()));
        line(text, "hidden size", Text.format("%,d", config.hiddenSize()));
        line(
                text,
                "heads",
                Text.format(
                        "%d of %d, %d for keys and values", config.heads(), config.headDimension(), config.kvHeads()));
        line(
                text,
                "experts",
                Text.format(
                        "%d of inner size %,d, %d for a token",
                        config.experts(), config.intermediateSize(), config.expertsPerToken()));
        line(
                text,
                "context",
                Text.format(
                        "%,d tokens, RoPE theta %,.0f, %s",
                        config.maxPositions(),
                        config.ropeTheta(),
                        config.slidingWindow() == 0
                                ? "no sliding window"
                                : Text.format("sliding window of %,d", config.slidingWindow())));
        line(text, "weights", Text.gibibytes(facts.description().bytes()) + ": " + facts.shares());
        line(
                text,
                "tokenizer",
                Text.format(
                        "%s %s, %,d tokens; the model has rows for %,d",
                        TOKENIZER,
                        facts.tokenizerVersion(),
                        facts.description().tokenizer().vocabularySize(),
                        config.vocabularySize()));
        line(
                text,
                "chat format",
                facts.chatFormat().format().name() + ": " + facts.chatFormat().reason());
        line(text, "system prompts", facts.systemPrompt());
        line(text, "tools", facts.tools());
        line(text, "special tokens", tokens(facts.controlTokens()));
        line(text, "stop tokens", tokens(facts.stopTokens()));
        facts.notes().forEach(note -> line(text, "note", note));
    }

    private static void line(StringBuilder text, String name, String value) {
        text.append(Text.format("  %-16s%s%n", name, value));
    }

    private static String tokens(Map<Integer, String> tokens) {
        String some = tokens.entrySet().stream()
                .limit(MOST_TOKENS)
                .map(entry -> entry.getValue() + " " + entry.getKey())
                .collect(Collectors.joining(", "));
        return tokens.size() > MOST_TOKENS ? some + Text.format(" and %,d more", tokens.size() - MOST_TOKENS) : some;
    }

    private static void addMemory(Inspection inspection, StringBuilder text) {
        EngineIdentity engine = inspection.options().engine();
        text.append(Text.format(
                "%nMemory, with sequences of up to %,d tokens, --max-num-seqs %d and --max-num-batched-tokens %d%n",
                inspection.longest(), engine.maxNumSeqs(), engine.maxNumBatchedTokens()));
        List<List<String>> rows = new ArrayList<>(List.of(COLUMNS));
        inspection.needs().forEach(need -> rows.add(row(need)));
        int[] widths = new int[COLUMNS.size()];
        rows.forEach(row -> {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], row.get(i).length());
            }
        });
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder(" ");
            for (int i = 0; i < widths.length; i++) {
                String pad = " ".repeat(widths[i] - row.get(i).length());
                // Numbers end below each other.
                boolean number = i >= 2 && i < widths.length - 1;
                line.append(' ')
                        .append(number ? pad + row.get(i) : row.get(i) + pad)
                        .append(' ');
            }
            text.append(line.toString().stripTrailing()).append('\n');
        }
        text.append(places(inspection.options(), inspection.needs()));
        inspection
                .unusable()
                .forEach((backend, reason) ->
                        text.append(Text.format("The backend %s cannot be used here: %s%n", backend, reason)));
    }

    private static List<String> row(MemoryNeed need) {
        MemoryShares shares = need.shares();
        return List.of(
                need.backend(),
                OptionValues.text(need.quantization()),
                Text.gibibytes(shares.weights()),
                Text.gibibytes(shares.workspace()),
                Text.gibibytes(need.sequenceBytes()),
                Text.gibibytes(shares.blocks() * shares.blockBytes()),
                Text.gibibytes(need.least()),
                Text.gibibytes(need.usual()),
                fits(need));
    }

    private static String fits(MemoryNeed need) {
        if (need.given().isEmpty()) {
            return "?";
        }
        if (need.tokens() == 0) {
            return need.places().isEmpty()
                    ? "no"
                    : "no, but on " + need.places().getAsInt() + " GPUs";
        }
        if (need.takesLongest()) {
            return need.takesAll() ? "yes" : Text.format("yes, a cache of %,d tokens", need.tokens());
        }
        return Text.format("up to %,d tokens", need.tokens())
                + (need.places().isEmpty() ? "" : "; all on " + need.places().getAsInt() + " GPUs");
    }

    private static String places(InspectOptions options, List<MemoryNeed> needs) {
        StringBuilder text = new StringBuilder();
        for (Place place : Place.values()) {
            Optional<MemoryNeed> any =
                    needs.stream().filter(need -> need.place() == place).findFirst();
            if (any.isPresent()) {
                text.append(place(place, any.get().given().map(Given::memory), options))
                        .append('\n');
            }
        }
        return text.toString();
    }

    private static String place(Place place, Optional<Memory> memory, InspectOptions options) {
        if (place == Place.HOST) {
            return "cpu: " + Text.gibibytes(memory.orElseThrow().bytes())
                    + (options.memory().isPresent() ? " (--memory)" : " are free here");
        }
        if (memory.isEmpty()) {
            return "tornado: there is no GPU here; --gpus 80g says whether it fits on one of that size, --gpus 4x80g on four";
        }
        int gpus = memory.get().places();
        return "tornado: " + Text.gibibytes(memory.get().bytes())
                + (gpus == 1 ? " on the GPU" : " on each of " + gpus + " GPUs, over which the layers are spread")
                + (options.gpus().isPresent() ? " (--gpus)" : "");
    }
}
