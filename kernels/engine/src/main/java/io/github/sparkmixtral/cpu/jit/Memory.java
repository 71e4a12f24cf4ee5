package io.github.sparkmixtral.cpu.jit;

/** The operand {@code [base + displacement]}. */
record Memory(Gpr base, int displacement) {

    /** What lies so many bytes further. */
    Memory plus(int bytes) {
        return new Memory(base, displacement + bytes);
    }
}
