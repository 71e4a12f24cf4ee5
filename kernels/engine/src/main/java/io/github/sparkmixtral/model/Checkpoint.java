package io.github.sparkmixtral.model;

import java.util.List;

/**
 * A model's files, parsed and checked, before they are paired with a tokenizer.
 *
 * @param container {@code safetensors} or {@code gguf}, and how the weights in it are quantized where their tensors do not say so
 * @param weights views of the mapped files
 * @param ignored names of tensors in the files that a Mixtral does not have
 * @param notes lines for the log: what else is noteworthy
 */
record Checkpoint(String container, ModelConfig config, Weights weights, List<String> ignored, List<String> notes) {

    Checkpoint {
        ignored = List.copyOf(ignored);
        notes = List.copyOf(notes);
    }
}
