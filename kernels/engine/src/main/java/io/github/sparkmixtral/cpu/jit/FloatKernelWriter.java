package io.github.sparkmixtral.cpu.jit;

import io.github.sparkmixtral.cpu.jit.PanelLayout.Elements;

/**
 * Writes kernels over panels of weights that decode them to floats. All have the same loops: over blocks, over the parts of a block that have a scale of
 * their own, and over ints of quants. An input's weights become two vectors of floats, and then go where the kernel's {@link Use} says.
 *
 * <p>Each weight is decoded with the operations of the kernels on the Vector API, in their order, and inputs are summed up in ascending
 * order with fused multiply-adds: so the bits of a result are theirs.
 */
final class FloatKernelWriter extends PanelWriter {

    /** What becomes of the decoded weights. */
    enum Use {
        /** Their products with some rows of inputs are written out. */
        MULTIPLY,
        /** Their products with some rows of inputs are added to what is there. */
        MULTIPLY_ADD,
        /** They are written out themselves. */
        DECODE
    }

    private final Use use;
    private final Tile tile;
    private final long table;
    private final int[] sums;
    private final int[] weights;
    private int[] multipliers;
    private int[] offsets;
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

    private FloatKernelWriter(PanelLayout layout, Use use, Tile tile, long table) {
        super(layout, tile.panels, tile.panelBytes);
        this.use = use;
        this.tile = tile;
        this.table = table;
        sums = take(use == Use.DECODE ? 0 : 2 * tile.panels * tile.rows);
        weights = take(2);
        if (layout.isQuantized()) {
            multipliers = take(2 * tile.panels);
            mask = take(1)[0];
            if (layout.elements() == Elements.QUANTS) {
                offsets = take(2 * tile.panels);
                one = take(1)[0];
            }
        }
        if (use != Use.DECODE && left() > 0) {
            input = take(1)[0];
        }
    }

    /**
     * @param table where the 16 floats lie that indices mean, if the elements are such
     * @throws IllegalArgumentException if there are not enough registers for so many panels and rows, or quants are folded
     */
    static byte[] write(PanelLayout layout, Use use, Tile tile, long table) {
        if (layout.isFolded()) {
            throw new IllegalArgumentException("folded quants are for products of integers: " + layout);
        }
        return new FloatKernelWriter(layout, use, tile, table).write();
    }

    private byte[] write() {
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

    /** Begins the sums, or ends them. */
    private void sums(boolean begin) {
        for (int sum : sums) {
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
        constant(one, 1f);
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
        constant(weights[0], power);
        for (int i = 0; i < multipliers.length; i++) {
            multiplier(multipliers[i], i, weights[0], weights[1]);
        }
        if (layout.elements() == Elements.INDICES) {
            return;
        }
        constant(weights[0], -(power + layout.zero()) / power);
        for (int i = 0; i < offsets.length; i++) {
            if (layout.affine()) {
                minimum(offsets[i], i, multipliers[i], weights[0], weights[1]);
            } else {
                assembler.multiply(offsets[i], multipliers[i], weights[0]);
            }
        }
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
            int turn = FRACTION - layout.bits() + PanelLayout.turn(i, layout.bits());
            assembler.rotateIntsRight(weight, word, turn % Integer.SIZE);
            assembler.lookUp(weight, weight, mask);
            assembler.multiply(weight, weight, multipliers[which]);
            return;
        }
        if (i == 0) {
            assembler.loadFloats(weight, word);
        } else {
            assembler.rotateIntsRight(weight, word, PanelLayout.turn(i, layout.bits()));
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
            case QUANTS, FOLDED_QUANTS, INDICES -> throw new IllegalStateException("these need scales: " + layout);
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
