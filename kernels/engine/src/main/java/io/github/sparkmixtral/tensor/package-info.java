/**
 * A tensor's data: how its elements are stored, taken apart and quantized. Knows no format of a file and no model, which stand on it.
 */
package io.github.sparkmixtral.tensor;
