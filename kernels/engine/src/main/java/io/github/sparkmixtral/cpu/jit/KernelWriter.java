package io.github.sparkmixtral.cpu.jit;

import io.github.sparkmixtral.cpu.jit.PanelLayout.Elements;

/**
 * Writes kernels over one panel of weights. All have the same loops: over blocks, over the parts of a block that have a scale of
 * their own, and over ints of quants. An input's weights become two vectors of floats, and then go where the kernel's {@link Use} says.
 *
 * <p>Each weight is decoded with the operations of the kernels on the Vector API, in their order, and inputs are summed up in ascending
 * order with fused multiply-adds: so the bits of a result are theirs.
 *
 * <p>A kernel is {@code void(panel, in, out, firstGroup, groups)}, and reads and writes what {@link PanelKernel} says.
 */
final class KernelWriter {

    /** What becomes of the decoded weights. */
    enum Use {
        /** Their products with some rows of inputs are written out. */
        MULTIPLY,
        /** Their products with some rows of inputs are added to what is there. */
        MULTIPLY_ADD,
        /** They are written out themselves. */
        DECODE
    }

    private static final int VECTOR = 64;
    private static final int ROW = PanelLayout.WIDTH * Float.BYTES;

    /** Bits below a float's exponent. */
    private static final int FRACTION = 23;

    /**
     * How far ahead weights are asked for: about what arrives while that much is worked on. The processor's own prefetching ends at each page's end. Measured.
     */
    private static final int AHEAD = 2048;

    private static final int LINE = 64;

    // Where arguments arrive, and what the same registers hold later.
    private static final Gpr HALVES = Gpr.RDI;
    private static final Gpr IN = Gpr.RSI;
    private static final Gpr OUT = Gpr.RDX;
    private static final Gpr FIRST = Gpr.RCX;
    private static final Gpr GROUPS = Gpr.R8;
    private static final Gpr FACTORS = Gpr.R9;
    private static final Gpr QUANTS = Gpr.R10;
    private static final Gpr PARTS = Gpr.R11;
    private static final Gpr WORDS = Gpr.RAX;
    private static final Gpr CONSTANT = Gpr.RCX;

    private final Assembler assembler = new Assembler();
    private final PanelLayout layout;
    private final Use use;
    private final int rows;
    private final int rowBytes;
    private final long table;
    private int registers;
    private final int[] weights = {-1, -1};
    private final int[] multipliers = {-1, -1};
    private final int[] offsets = {-1, -1};
    private int mask = -1;
    private int one = -1;
    private int input = -1;

    private KernelWriter(PanelLayout layout, Use use, int rows, int rowBytes, long table) {
        this.layout = layout;
        this.use = use;
        this.rows = rows;
        this.rowBytes = rowBytes;
        this.table = table;
    }

    /**
     * @param rows of inputs, at least one; of no meaning if weights are decoded alone
     * @param rowBytes from one row of inputs to the next
     * @param table where the 16 floats lie that indices mean, if the elements are such
     * @throws IllegalArgumentException if there are not enough registers for so many rows
     */
    static byte[] write(PanelLayout layout, Use use, int rows, int rowBytes, long table) {
        return new KernelWriter(layout, use, rows, rowBytes, table).write();
    }

    private byte[] write() {
        assignRegisters();
        addresses();
        sums(true);
        if (layout.isQuantized()) {
            quantConstants();
            loop(GROUPS, 0, this::block);
        } else {
            loop(GROUPS, 0, this::elements);
        }
        sums(false);
        assembler.end();
        return assembler.code();
    }

    private void assignRegisters() {
        registers = use == Use.DECODE ? 0 : 2 * rows;
        both(weights);
        if (layout.isQuantized()) {
            both(multipliers);
            mask = registers++;
            if (layout.elements() == Elements.QUANTS) {
                both(offsets);
                one = registers++;
            }
        }
        if (use != Use.DECODE && registers < 32) {
            input = registers++;
        }
        if (registers > 32) {
            throw new IllegalArgumentException("no registers for " + rows + " rows of " + layout);
        }
    }

    private void both(int[] pair) {
        pair[0] = registers++;
        pair[1] = registers++;
    }

    /** From the panel's address and the first group's number to where that group's parts lie. */
    private void addresses() {
        assembler.multiply(QUANTS, FIRST, layout.bytes(layout.group()));
        assembler.add(QUANTS, HALVES);
        assembler.add(QUANTS, layout.quants());
        if (layout.factored()) {
            assembler.multiply(FACTORS, FIRST, layout.blockSize() / layout.scaleBlock() * PanelLayout.WIDTH);
            assembler.add(FACTORS, HALVES);
            assembler.add(FACTORS, layout.factors());
        }
        if (layout.isQuantized()) {
            assembler.multiply(FIRST, FIRST, VECTOR);
            assembler.add(HALVES, FIRST);
        }
    }

    /** Begins the sums, or ends them. */
    private void sums(boolean begin) {
        for (int row = 0; use != Use.DECODE && row < rows; row++) {
            for (int half = 0; half < 2; half++) {
                int sum = 2 * row + half;
                Memory memory = new Memory(OUT, row * ROW + half * VECTOR);
                if (!begin) {
                    assembler.storeFloats(memory, sum);
                } else if (use == Use.MULTIPLY_ADD) {
                    assembler.loadFloats(sum, memory);
                } else {
                    assembler.xor(sum, sum, sum);
                }
            }
        }
    }

    private void quantConstants() {
        if (layout.elements() == Elements.INDICES) {
            assembler.moveLong(CONSTANT, table);
            assembler.loadFloats(mask, new Memory(CONSTANT, 0));
            return;
        }
        constant(mask, (1 << layout.bits()) - 1 << FRACTION - layout.bits());
        constant(one, Float.floatToRawIntBits(1));
    }

    private void constant(int register, int bits) {
        assembler.moveInt(CONSTANT, bits);
        assembler.broadcastInt(register, CONSTANT);
    }

    /** @param times fixed number of turns, or 0 if the counter holds it */
    private void loop(Gpr counter, int times, Runnable body) {
        if (times == 1) {
            body.run();
            return;
        }
        if (times > 0) {
            assembler.moveInt(counter, times);
        }
        int begin = assembler.here();
        body.run();
        assembler.decrement(counter);
        assembler.jumpIfNotZero(begin);
    }

    private void block() {
        int parts = layout.blockSize() / layout.scaleBlock();
        loop(PARTS, parts, () -> {
            scales();
            int words = layout.scaleBlock() * layout.bits() / Integer.SIZE;
            loop(WORDS, words, this::word);
            if (layout.factored()) {
                assembler.add(FACTORS, PanelLayout.WIDTH);
            }
        });
        assembler.add(HALVES, VECTOR);
    }

    /** What quants are multiplied by, and what is added then. The weights' registers are free meanwhile. */
    private void scales() {
        float power = 1 << layout.bits();
        int temporary = weights[1];
        constant(weights[0], Float.floatToRawIntBits(power));
        for (int half = 0; half < 2; half++) {
            int multiplier = multipliers[half];
            assembler.convertHalvesToFloats(multiplier, new Memory(HALVES, half * VECTOR / 2));
            assembler.multiply(multiplier, multiplier, weights[0]);
            if (layout.factored()) {
                factor(temporary, new Memory(FACTORS, half * VECTOR / 4));
                assembler.multiply(multiplier, multiplier, temporary);
            }
        }
        if (layout.elements() == Elements.INDICES) {
            return;
        }
        constant(weights[0], Float.floatToRawIntBits(-(power + layout.zero()) / power));
        for (int half = 0; half < 2; half++) {
            if (!layout.affine()) {
                assembler.multiply(offsets[half], multipliers[half], weights[0]);
                continue;
            }
            int offset = offsets[half];
            assembler.convertHalvesToFloats(offset, new Memory(HALVES, layout.minimumHalves() + half * VECTOR / 2));
            if (layout.factored()) {
                factor(temporary, new Memory(FACTORS, layout.minimumFactors() - layout.factors() + half * VECTOR / 4));
                assembler.multiply(offset, offset, temporary);
            }
            assembler.multiply(temporary, multipliers[half], weights[0]);
            if (layout.factored()) {
                assembler.subtract(offset, temporary, offset);
            } else {
                assembler.add(offset, temporary, offset);
            }
        }
    }

    private void factor(int to, Memory from) {
        assembler.extendBytesToInts(to, from);
        assembler.convertIntsToFloats(to, to);
    }

    /** The inputs whose quants share ints. */
    private void word() {
        int inputs = Integer.SIZE / layout.bits();
        prefetch(2);
        for (int i = 0; i < inputs; i++) {
            for (int half = 0; half < 2; half++) {
                Memory word = new Memory(QUANTS, half * VECTOR);
                int weight = weights[half];
                if (layout.elements() == Elements.INDICES) {
                    int turn = FRACTION - layout.bits() + i * layout.bits();
                    assembler.rotateIntsRight(weight, word, turn % Integer.SIZE);
                    assembler.lookUp(weight, weight, mask);
                    assembler.multiply(weight, weight, multipliers[half]);
                } else {
                    if (i == 0) {
                        assembler.loadFloats(weight, word);
                    } else {
                        assembler.rotateIntsRight(weight, word, i * layout.bits());
                    }
                    assembler.andOr(weight, mask, one);
                    assembler.multiplyInto(weight, multipliers[half], offsets[half]);
                }
            }
            use(i);
        }
        assembler.add(QUANTS, ROW);
        advance(inputs);
    }

    /** Inputs whose elements need no scales. */
    private void elements() {
        int bytes = layout.bytes(1);
        for (int i = 0; i < layout.group(); i++) {
            if (i % 2 == 0) {
                prefetch(2);
            }
            for (int half = 0; half < 2; half++) {
                int weight = weights[half];
                Memory memory = new Memory(QUANTS, i * bytes + half * bytes / 2);
                switch (layout.elements()) {
                    case FLOATS -> assembler.loadFloats(weight, memory);
                    case HALVES -> assembler.convertHalvesToFloats(weight, memory);
                    case BFLOAT16 -> {
                        assembler.extendShortsToInts(weight, memory);
                        assembler.shiftIntsLeft(weight, weight, Short.SIZE);
                    }
                    case QUANTS, INDICES -> throw new IllegalStateException("these need scales: " + layout);
                }
            }
            use(i);
        }
        assembler.add(QUANTS, layout.group() * bytes);
        advance(layout.group());
    }

    private void prefetch(int lines) {
        for (int line = 0; line < lines; line++) {
            assembler.prefetch(new Memory(QUANTS, AHEAD + line * LINE));
        }
    }

    /** Multiplies the weights of an input with that input of each row, or stores them. */
    private void use(int i) {
        if (use == Use.DECODE) {
            assembler.storeFloats(new Memory(OUT, i * ROW), weights[0]);
            assembler.storeFloats(new Memory(OUT, i * ROW + VECTOR), weights[1]);
            return;
        }
        for (int row = 0; row < rows; row++) {
            Memory element = new Memory(IN, row * rowBytes + i * Float.BYTES);
            if (input < 0) {
                assembler.multiplyAddBroadcast(2 * row, weights[0], element);
                assembler.multiplyAddBroadcast(2 * row + 1, weights[1], element);
            } else {
                assembler.broadcastFloat(input, element);
                assembler.multiplyAdd(2 * row, input, weights[0]);
                assembler.multiplyAdd(2 * row + 1, input, weights[1]);
            }
        }
    }

    private void advance(int inputs) {
        if (use == Use.DECODE) {
            assembler.add(OUT, inputs * ROW);
        } else {
            assembler.add(IN, inputs * Float.BYTES);
        }
    }
}
