package io.github.sparkmixtral.cpu;

/** How {@link Kernels} want their weights. */
public enum Packing {
    /** As the tensors are. */
    NONE,
    /** In panels, with all that a product in floats needs. */
    FLOATS,
    /** In the same panels, whose quants are multiplied by integers; other types as floats. */
    INTEGERS,
    /** In panels of bfloat16, whatever the tensor's type. */
    BFLOAT16
}
