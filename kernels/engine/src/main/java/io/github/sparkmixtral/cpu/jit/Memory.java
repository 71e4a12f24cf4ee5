package io.github.sparkmixtral.cpu.jit;

/** The operand {@code [base + displacement]}. */
record Memory(Gpr base, int displacement) {}
