package io.github.sparkmixtral.model;

import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.nio.file.Path;

/**
 * What a model's headers say, read without touching its weights: enough for a driver to check rows and options against.
 *
 * @param path directory or GGUF file
 * @param format {@code safetensors} or {@code gguf}, with the type most weights are stored in, such as {@code gguf Q4_K}
 * @param parameters number of weights
 * @param bytes bytes that the weights take in memory
 */
public record ModelDescription(
        Path path, String format, long parameters, long bytes, ModelConfig config, Tokenizer tokenizer) {}
