package io.github.sparkmixtral.job.inspect;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.engine.MemoryShares;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.model.ModelConfig;
import java.util.Map;

/** An inspection as JSON: sizes in bytes, names with underscores. */
final class InspectionJson {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private InspectionJson() {}

    static ObjectNode of(Inspection inspection) {
        ObjectNode root = NODES.objectNode()
                .put("model", inspection.options().engine().modelName())
                .put("architecture", InspectionText.ARCHITECTURE)
                .put("format", inspection.facts().description().format());
        root.set("config", config(inspection.facts()));
        root.set("weights", weights(inspection.facts()));
        root.set("tokenizer", tokenizer(inspection.facts()));
        root.set("chat", chat(inspection.facts()));
        ArrayNode notes = root.putArray("notes");
        inspection.facts().notes().forEach(notes::add);
        root.put("max_model_len", inspection.longest());
        ArrayNode needs = root.putArray("memory");
        inspection.needs().forEach(need -> needs.add(need(need)));
        ObjectNode unusable = root.putObject("unusable_backends");
        inspection.unusable().forEach(unusable::put);
        Suggestion suggestion = inspection.suggestion();
        ObjectNode suggested = root.putObject("suggestion").put("reason", suggestion.reason());
        suggested.put("command", suggestion.command().orElse(null));
        if (suggestion.memoryOverhead() > 0) {
            suggested.put("spark.executor.memoryOverhead", suggestion.memoryOverhead() + "g");
        }
        return root;
    }

    private static ObjectNode config(ModelFacts facts) {
        ModelConfig config = facts.description().config();
        return NODES.objectNode()
                .put("layers", config.layers())
                .put("hidden_size", config.hiddenSize())
                .put("intermediate_size", config.intermediateSize())
                .put("heads", config.heads())
                .put("kv_heads", config.kvHeads())
                .put("head_dim", config.headDimension())
                .put("experts", config.experts())
                .put("experts_per_token", config.expertsPerToken())
                .put("vocabulary_size", config.vocabularySize())
                .put("max_positions", config.maxPositions())
                .put("rope_theta", config.ropeTheta())
                .put("sliding_window", config.slidingWindow())
                .put("parameters", facts.description().parameters())
                .put("active_parameters", facts.activeParameters());
    }

    private static ObjectNode weights(ModelFacts facts) {
        ObjectNode weights = NODES.objectNode();
        facts.weights().forEach((type, bytes) -> weights.put(type.toString(), bytes));
        return weights;
    }

    private static ObjectNode tokenizer(ModelFacts facts) {
        ObjectNode tokenizer = NODES.objectNode()
                .put("kind", InspectionText.TOKENIZER)
                .put("version", facts.tokenizerVersion())
                .put("size", facts.description().tokenizer().vocabularySize());
        tokenizer.set("special_tokens", tokens(facts.controlTokens()));
        tokenizer.set("stop_tokens", tokens(facts.stopTokens()));
        return tokenizer;
    }

    private static ObjectNode tokens(Map<Integer, String> tokens) {
        ObjectNode object = NODES.objectNode();
        tokens.forEach((id, text) -> object.put(text, id));
        return object;
    }

    private static ObjectNode chat(ModelFacts facts) {
        return NODES.objectNode()
                .put("format", facts.chatFormat().format().name())
                .put("reason", facts.chatFormat().reason())
                .put("system_prompt", facts.systemPrompt())
                .put("tools", facts.tools());
    }

    private static ObjectNode need(MemoryNeed need) {
        MemoryShares shares = need.shares();
        ObjectNode node = NODES.objectNode()
                .put("backend", need.backend())
                .put("quantization", OptionValues.text(need.quantization()))
                .put("place", OptionValues.text(need.place()))
                .put("weights", shares.weights())
                .put("workspace", shares.workspace())
                .put("kv_cache_per_sequence", need.sequenceBytes())
                .put("kv_cache", shares.blocks() * shares.blockBytes())
                .put("needs_at_least", need.least())
                .put("needs_for_all", need.usual());
        need.given().ifPresent(given -> {
            node.put("memory", given.memory().bytes())
                    .put("places", given.memory().places())
                    .put("fits", given.shares().isPresent())
                    .put("kv_cache_tokens", need.tokens());
            need.places().ifPresent(places -> node.put("needs_places", places));
            if (!given.refusal().isEmpty()) {
                node.put("refusal", given.refusal());
            }
        });
        return node;
    }
}
