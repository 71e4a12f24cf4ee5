package io.github.sparkmixtral.cpu.jit;

/** General registers that a function of the System V ABI may change without restoring them. */
enum Gpr {
    RAX(0),
    RCX(1),
    RDX(2),
    RSI(6),
    RDI(7),
    R8(8),
    R9(9),
    R10(10),
    R11(11);

    /** Its number in instructions. */
    final int number;

    Gpr(int number) {
        this.number = number;
    }
}
