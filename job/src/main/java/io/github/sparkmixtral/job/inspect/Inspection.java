package io.github.sparkmixtral.job.inspect;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.chat.ChatException;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.engine.MemoryPlanner;
import io.github.sparkmixtral.engine.MemoryPlanner.Memory;
import io.github.sparkmixtral.engine.MemoryPlanner.Place;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.job.options.InspectOptions;
import io.github.sparkmixtral.memory.MemoryLimit;
import io.github.sparkmixtral.model.ModelOutline;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.model.Weights;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a model is, what it needs and where it fits.
 *
 * @param longest sequence in tokens
 * @param unusable backends that do not take the model, or have no memory here, by name, with the reason
 */
public record Inspection(
        InspectOptions options,
        ModelFacts facts,
        int longest,
        List<MemoryNeed> needs,
        Map<String, String> unusable,
        Suggestion suggestion) {
    private static final Logger LOG = LoggerFactory.getLogger(Inspection.class);

    /**
     * Reads the heads of a model's files.
     *
     * @throws ModelException where the model cannot be found, read or run, as a job says it
     * @throws JobException with exit code 2 where the options do not fit the model
     */
    public static Inspection of(InspectOptions options, Configuration configuration) {
        EngineIdentity engine = options.engine();
        ModelOutline outline = engine.models(configuration, LOG::info).outline(engine.model());
        engine.requireLength(outline.config());
        int longest = engine.maxModelLen() > 0
                ? engine.maxModelLen()
                : outline.config().maxPositions();
        ModelFacts facts;
        try {
            facts = ModelFacts.of(outline);
        } catch (ChatException unusable) {
            throw JobException.usage(unusable.getMessage());
        }
        Map<Quantization, Weights> weights = weights(outline, engine.quantization());
        List<MemoryNeed> needs = new ArrayList<>();
        Map<String, String> unusable = new TreeMap<>();
        BackendOptions backendOptions = engine.backendOptions(BackendOptions.ANY_DEVICES, MemoryLimit.NONE);
        for (BackendProvider provider : providers(engine.backend())) {
            provider.unavailable().ifPresent(reason -> unusable.put(provider.name(), reason));
            try {
                Optional<MemoryPlanner> planner = provider.memory(backendOptions);
                if (planner.isPresent()) {
                    Optional<Memory> memory = memory(planner.get(), options);
                    weights.forEach((quantization, its) -> needs.add(MemoryNeed.of(
                            provider.name(), planner.get(), outline.config(), its, quantization, longest, memory)));
                }
            } catch (ModelException refused) {
                unusable.put(provider.name(), refused.getMessage());
            }
        }
        return new Inspection(options, facts, longest, needs, unusable, Suggestion.of(options, needs));
    }

    private static List<BackendProvider> providers(String backend) {
        return Backends.all().stream()
                .filter(provider ->
                        backend.equals(Backends.AUTO) || provider.name().equals(backend))
                .toList();
    }

    /** The weights as they can be asked for: of those that are quantized already, as they are. */
    private static Map<Quantization, Weights> weights(ModelOutline outline, Quantization asked) {
        if (asked != Quantization.NONE) {
            return Map.of(asked, outline.weights(asked));
        }
        Map<Quantization, Weights> weights = new EnumMap<>(Quantization.class);
        for (Quantization quantization : outline.isQuantized() ? List.of(asked) : List.of(Quantization.values())) {
            weights.put(quantization, outline.weights(quantization));
        }
        return weights;
    }

    private static Optional<Memory> memory(MemoryPlanner planner, InspectOptions options) {
        Optional<Memory> given = planner.place() == Place.HOST
                ? options.memory().map(bytes -> new Memory(1, bytes))
                : options.gpus().map(gpus -> new Memory(gpus.count(), gpus.bytes()));
        return given.or(planner::here);
    }

    /** Prints it, as text or in JSON. */
    public void print(PrintWriter out) {
        if (options.json()) {
            try {
                out.println(JsonMapper.builder()
                        .build()
                        .writerWithDefaultPrettyPrinter()
                        .writeValueAsString(InspectionJson.of(this)));
            } catch (JsonProcessingException e) {
                throw new IllegalStateException("a tree of JSON can be written", e);
            }
        } else {
            out.print(InspectionText.of(this));
        }
        out.flush();
    }
}
