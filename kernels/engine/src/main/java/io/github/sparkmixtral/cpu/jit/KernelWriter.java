package io.github.sparkmixtral.cpu.jit;

import io.github.sparkmixtral.cpu.jit.PanelLayout.Elements;

/**
 * Writes kernels over panels of weights. All have the same loops: over blocks, over the parts of a block that have a scale of
 * their own, and over ints of quants. An input's weights become two vectors of floats, and then go where the kernel's {@link Use} says.
 *
 * <p>Each weight is decoded with the operations of the kernels on the Vector API, in their order, and inputs are summed up in ascending
 * order with fused multiply-adds: so the bits of a result are theirs.
 *
 * <p>A kernel is {@code void(panel, in, input, out, firstGroup, groups)}, and reads and writes what {@link PanelKernel} says.
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
     * How far ahead weights are asked for: about what arrives while that much is worked on. The processor's own prefetching ends at each page's end.
     */
    private static final int AHEAD = 2048;

    private static final int LINE = 64;

    // What registers hold once arguments have been put in their places.
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
    private final Tile tile;
    private final long table;
    private int registers;
    private final int[] weights = new int[2];
    private final int[] multipliers;
    private final int[] offsets;
    private int mask = -1;
    private int one = -1;
    private int input = -1;

    /**
     * What is worked on at once. All sums stay in registers; several panels are for few rows, whose sums alone would wait for each other.
     *
     * @param panels neighbours, at least one
     * @param rows of inputs, at least one; of no meaning if weights are decoded alone
     * @param panelBytes from one panel to the next
     * @param rowBytes from one row of inputs to the next
     */
    record Tile(int panels, int rows, int panelBytes, int rowBytes) {}

    private KernelWriter(PanelLayout layout, Use use, Tile tile, long table) {
        this.layout = layout;
        this.use = use;
        this.tile = tile;
        this.table = table;
        multipliers = new int[2 * tile.panels];
        offsets = new int[2 * tile.panels];
    }

    /**
     * @param table where the 16 floats lie that indices mean, if the elements are such
     * @throws IllegalArgumentException if there are not enough registers for so many panels and rows
     */
    static byte[] write(PanelLayout layout, Use use, Tile tile, long table) {
        return new KernelWriter(layout, use, tile, table).write();
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
        registers = use == Use.DECODE ? 0 : 2 * tile.panels * tile.rows;
        assign(weights);
        if (layout.isQuantized()) {
            assign(multipliers);
            mask = registers++;
            if (layout.elements() == Elements.QUANTS) {
                assign(offsets);
                one = registers++;
            }
        }
        if (use != Use.DECODE && registers < 32) {
            input = registers++;
        }
        if (registers > 32) {
            throw new IllegalArgumentException("no registers for " + tile + " of " + layout);
        }
    }

    private void assign(int[] vectors) {
        for (int i = 0; i < vectors.length; i++) {
            vectors[i] = registers++;
        }
    }

    /** From the arguments, the panel's address and the first group's number among them, to where that group's parts lie. */
    private void addresses() {
        assembler.add(IN, Gpr.RDX);
        assembler.move(OUT, Gpr.RCX);
        assembler.move(FIRST, Gpr.R8);
        assembler.move(GROUPS, Gpr.R9);
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
        for (int sum = 0; use != Use.DECODE && sum < 2 * tile.panels * tile.rows; sum++) {
            Memory memory = new Memory(OUT, sum * VECTOR);
            if (!begin) {
                assembler.storeFloats(memory, sum);
            } else if (use == Use.MULTIPLY_ADD) {
                assembler.loadFloats(sum, memory);
            } else {
                assembler.xor(sum, sum, sum);
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
        assembler.loop(counter, body);
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
        for (int i = 0; i < multipliers.length; i++) {
            int multiplier = multipliers[i];
            assembler.convertHalvesToFloats(multiplier, at(HALVES, i, VECTOR / 2, 0));
            assembler.multiply(multiplier, multiplier, weights[0]);
            if (layout.factored()) {
                factor(temporary, at(FACTORS, i, VECTOR / 4, 0));
                assembler.multiply(multiplier, multiplier, temporary);
            }
        }
        if (layout.elements() == Elements.INDICES) {
            return;
        }
        constant(weights[0], Float.floatToRawIntBits(-(power + layout.zero()) / power));
        for (int i = 0; i < offsets.length; i++) {
            if (layout.affine()) {
                minimum(i, temporary);
            } else {
                assembler.multiply(offsets[i], multipliers[i], weights[0]);
            }
        }
    }

    private void minimum(int i, int temporary) {
        int offset = offsets[i];
        assembler.convertHalvesToFloats(offset, at(HALVES, i, VECTOR / 2, layout.minimumHalves()));
        if (layout.factored()) {
            factor(temporary, at(FACTORS, i, VECTOR / 4, layout.minimumFactors() - layout.factors()));
            assembler.multiply(offset, offset, temporary);
            assembler.multiply(temporary, multipliers[i], weights[0]);
            assembler.subtract(offset, temporary, offset);
        } else {
            assembler.multiply(temporary, multipliers[i], weights[0]);
            assembler.add(offset, temporary, offset);
        }
    }

    /** What belongs to 16 outputs, the {@code i}-th such of the panels, some bytes past a pointer into the first one. */
    private Memory at(Gpr pointer, int i, int bytes, int past) {
        return new Memory(pointer, i / 2 * tile.panelBytes + past + i % 2 * bytes);
    }

    private void factor(int to, Memory from) {
        assembler.extendBytesToInts(to, from);
        assembler.convertIntsToFloats(to, to);
    }

    /** The inputs whose quants share ints. */
    private void word() {
        int inputs = Integer.SIZE / layout.bits();
        prefetch(0);
        for (int i = 0; i < inputs; i++) {
            begin(i);
            for (int panel = 0; panel < tile.panels; panel++) {
                for (int half = 0; half < 2; half++) {
                    quants(2 * panel + half, i);
                }
                use(panel, i);
            }
        }
        assembler.add(QUANTS, ROW);
        advance(inputs);
    }

    /** Decodes the weights of 16 outputs, the {@code which}-th such, for the {@code i}-th input of a word. */
    private void quants(int which, int i) {
        Memory word = at(QUANTS, which, VECTOR, 0);
        int weight = weights[which % 2];
        if (layout.elements() == Elements.INDICES) {
            int turn = FRACTION - layout.bits() + i * layout.bits();
            assembler.rotateIntsRight(weight, word, turn % Integer.SIZE);
            assembler.lookUp(weight, weight, mask);
            assembler.multiply(weight, weight, multipliers[which]);
            return;
        }
        if (i == 0) {
            assembler.loadFloats(weight, word);
        } else {
            assembler.rotateIntsRight(weight, word, i * layout.bits());
        }
        assembler.andOr(weight, mask, one);
        assembler.multiplyInto(weight, multipliers[which], offsets[which]);
    }

    /** Inputs whose elements need no scales. */
    private void elements() {
        int bytes = layout.bytes(1);
        for (int i = 0; i < layout.group(); i++) {
            if (i * bytes % ROW == 0) {
                prefetch(i * bytes);
            }
            begin(i);
            for (int panel = 0; panel < tile.panels; panel++) {
                for (int half = 0; half < 2; half++) {
                    element(weights[half], at(QUANTS, 2 * panel + half, bytes / 2, i * bytes));
                }
                use(panel, i);
            }
        }
        assembler.add(QUANTS, layout.group() * bytes);
        advance(layout.group());
    }

    private void element(int weight, Memory memory) {
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

    /** Asks for the two lines of each panel that follow so many bytes after the present ones. */
    private void prefetch(int past) {
        for (int i = 0; i < 2 * tile.panels; i++) {
            assembler.prefetch(at(QUANTS, i, LINE, AHEAD + past));
        }
    }

    /** If there is one row, its input serves all panels. */
    private void begin(int i) {
        if (use != Use.DECODE && tile.rows == 1 && input >= 0) {
            assembler.broadcastFloat(input, new Memory(IN, i * Float.BYTES));
        }
    }

    /** Multiplies a panel's weights of an input with that input of each row, or stores them. */
    private void use(int panel, int i) {
        if (use == Use.DECODE) {
            assembler.storeFloats(new Memory(OUT, i * ROW), weights[0]);
            assembler.storeFloats(new Memory(OUT, i * ROW + VECTOR), weights[1]);
            return;
        }
        for (int row = 0; row < tile.rows; row++) {
            int sum = 2 * (panel * tile.rows + row);
            Memory element = new Memory(IN, row * tile.rowBytes + i * Float.BYTES);
            if (input < 0) {
                assembler.multiplyAddBroadcast(sum, weights[0], element);
                assembler.multiplyAddBroadcast(sum + 1, weights[1], element);
            } else {
                if (tile.rows > 1) {
                    assembler.broadcastFloat(input, element);
                }
                assembler.multiplyAdd(sum, input, weights[0]);
                assembler.multiplyAdd(sum + 1, input, weights[1]);
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
