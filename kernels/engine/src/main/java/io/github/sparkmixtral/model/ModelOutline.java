package io.github.sparkmixtral.model;

import io.github.sparkmixtral.chat.ChatTemplates;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * What a model's headers say, down to its tensors, read without touching its weights.
 *
 * @param name of the model, for messages
 * @param path directory or GGUF file
 * @param container {@code safetensors} or {@code gguf}, and how the weights in it are quantized where their tensors do not say so
 * @param weights shapes and types as they are stored; there may be no values behind them
 * @param notes lines for the log: what else is noteworthy
 */
public record ModelOutline(
        String name,
        Path path,
        String container,
        ModelConfig config,
        Weights weights,
        Tokenizer tokenizer,
        ChatTemplates chatTemplates,
        List<String> notes) {

    public ModelOutline {
        notes = List.copyOf(notes);
    }

    /** The same, known by another name. */
    public ModelOutline named(String other, ChatTemplates otherTemplates) {
        return new ModelOutline(other, path, container, config, weights, tokenizer, otherTemplates, notes);
    }

    /**
     * The model in short, when its weights are quantized on load.
     *
     * @throws io.github.sparkmixtral.file.ModelException where they are quantized already
     */
    public ModelDescription description(Quantization quantization) {
        Map<Tensor, TensorType> plan = new Quantizer(quantization).plan(name, weights);
        long parameters = 0;
        long bytes = 0;
        Map<TensorType, Long> stored = new EnumMap<>(TensorType.class);
        for (Map.Entry<Tensor, TensorType> entry : plan.entrySet()) {
            long elements = entry.getKey().elements();
            parameters += elements;
            bytes += entry.getValue().bytes(elements);
            stored.merge(entry.getKey().type(), elements, Long::sum);
        }
        TensorType most =
                Collections.max(stored.entrySet(), Map.Entry.comparingByValue()).getKey();
        String format = container + " " + most
                + quantization.type().map(type -> " quantized to " + type).orElse("");
        return new ModelDescription(path, format, parameters, bytes, config, tokenizer, chatTemplates);
    }

    /**
     * The weights as they are when they are quantized on load.
     *
     * @throws io.github.sparkmixtral.file.ModelException where they are quantized already
     */
    public Weights weights(Quantization quantization) {
        return new Quantizer(quantization).quantize(name, weights, _ -> {});
    }

    /** Whether some weights are quantized as they are stored, so that they cannot be quantized on load. */
    public boolean isQuantized() {
        return bytesByType().keySet().stream().anyMatch(type -> type.blockSize() > 1);
    }

    /** Bytes of the stored weights of each type. */
    public Map<TensorType, Long> bytesByType() {
        Map<TensorType, Long> bytes = new EnumMap<>(TensorType.class);
        for (Tensor tensor :
                new Quantizer(Quantization.NONE).plan(name, weights).keySet()) {
            bytes.merge(tensor.type(), tensor.type().bytes(tensor.elements()), Long::sum);
        }
        return bytes;
    }

    /** Number of weights that a token goes through: all but those of the experts that the router does not pick. */
    public long activeParameters() {
        long unpicked = 0;
        for (Weights.Layer layer : weights.layers()) {
            for (Weights.Expert expert : layer.experts().subList(config.expertsPerToken(), config.experts())) {
                unpicked += expert.gate().elements()
                        + expert.up().elements()
                        + expert.down().elements();
            }
        }
        return description(Quantization.NONE).parameters() - unpicked;
    }
}
