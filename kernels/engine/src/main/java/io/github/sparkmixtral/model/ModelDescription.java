package io.github.sparkmixtral.model;

import io.github.sparkmixtral.chat.ChatTemplates;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.nio.file.Path;

/**
 * What a model's headers say, read without touching its weights: enough for a driver to check rows and options against.
 *
 * @param path directory or GGUF file
 * @param format {@code safetensors} or {@code gguf}, with the type most weights are stored in, such as {@code gguf Q4_K}, and what they
 *     are quantized to on load, such as {@code safetensors BF16 quantized to Q8_0}; for a checkpoint that was quantized by GPTQ or the like also
 *     that, such as {@code safetensors GPTQ 4-bit as Q4_0}
 * @param parameters number of weights; a tied head and embedding count once
 * @param bytes bytes that the weights take in memory, mapped or allocated
 */
public record ModelDescription(
        Path path,
        String format,
        long parameters,
        long bytes,
        ModelConfig config,
        Tokenizer tokenizer,
        ChatTemplates chatTemplates) {

    /** A model without a chat template. */
    public ModelDescription(
            Path path, String format, long parameters, long bytes, ModelConfig config, Tokenizer tokenizer) {
        this(path, format, parameters, bytes, config, tokenizer, ChatTemplates.NONE);
    }

    /** The same with other chat templates. */
    public ModelDescription withChatTemplates(ChatTemplates other) {
        return new ModelDescription(path, format, parameters, bytes, config, tokenizer, other);
    }
}
