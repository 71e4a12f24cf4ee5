/**
 * Hugging Face checkpoints whose weights are quantized already: which method has stored a module's weights, and how their rows become
 * those of a {@link io.github.sparkmixtral.tensor.TensorType} that kernels exist for. {@link
 * io.github.sparkmixtral.prequantized.QuantizedModules} is the one place that tells methods apart; a class for each layout does the rest.
 */
package io.github.sparkmixtral.prequantized;
