package io.github.sparkmixtral.cpu.jit;

/**
 * Writes kernels that multiply panels of quants with rows of {@linkplain IntegerLayout integers}, four products of bytes at a time
 * ({@code vpdpbusd}). The sum over inputs that share scales is exact; such sums are scaled and added as floats, in ascending order.
 *
 * <p>Quants count from the middle of their range here. With {@code u}, a quant's bits at the top of a byte, {@code (u - 128) * x} is summed up as
 * {@code 256 * (u * upper - x / 2) + u * lower}: the weights' bytes need no sign then.
 */
final class IntegerKernelWriter extends PanelWriter {

    /** Inputs whose bytes are multiplied at once. */
    private static final int STEP = Integer.BYTES;

    /** Most vectors of sums with which weights are read in their order: each has two more vectors meanwhile. */
    private static final int STREAMED = 8;

    /** Most inputs that a scale is for here. */
    private static final int BLOCK = IntegerLayout.BLOCK;

    private final int rows;
    private final int rowBytes;
    private final int ahead;
    private final int vectors;
    private final boolean stream;
    private final int part;
    private final int[] sums;
    private final int[] weights;
    private final int[] temporaries;
    private final int[] scratch;
    private final int multiplier;
    private final int mask;
    private final int power;
    private final int minimum;

    private IntegerKernelWriter(
            PanelLayout layout, int panels, int rows, int panelBytes, int rowBytes, boolean askForNext) {
        super(layout, panels, panelBytes);
        this.rows = rows;
        this.rowBytes = rowBytes;
        vectors = 2 * panels;
        stream = rows * vectors <= STREAMED;
        ahead = askForNext ? panelBytes : stream ? AHEAD : 2 * AHEAD;
        part = Math.min(layout.scaleBlock(), BLOCK);
        sums = take(vectors * rows);
        weights = take(stream ? 2 : part / STEP);
        temporaries = take(stream ? 2 * sums.length : 4);
        scratch = stream ? weights : temporaries;
        multiplier = take(1)[0];
        boolean bytes = layout.bits() == Byte.SIZE;
        mask = bytes ? -1 : take(1)[0];
        power = bytes ? -1 : take(1)[0];
        minimum = layout.affine() ? take(1)[0] : -1;
    }

    /** @throws IllegalArgumentException if there are not enough registers for so many panels and rows */
    static byte[] write(PanelLayout layout, int panels, int rows, int panelBytes, int rowBytes, boolean askForNext) {
        return new IntegerKernelWriter(layout, panels, rows, panelBytes, rowBytes, askForNext).write();
    }

    private byte[] write() {
        addresses();
        for (int sum : sums) {
            assembler.xor(sum, sum, sum);
        }
        if (mask >= 0) {
            int below = Byte.SIZE - layout.bits();
            constant(mask, (0xFF << below & 0xFF) * 0x01010101);
            constant(power, 1f / (1 << below));
        }
        loop(GROUPS, 0, () -> {
            loop(PARTS, layout.blockSize() / BLOCK, this::block);
            assembler.add(HALVES, VECTOR);
        });
        for (int sum : sums) {
            assembler.storeFloats(new Memory(OUT, sum * VECTOR), sum);
        }
        assembler.end();
        return assembler.code();
    }

    /** The inputs that share a scale in the rows. */
    private void block() {
        int parts = BLOCK / part;
        for (int i = 0; i < parts; i++) {
            if (stream) {
                stream(i);
            } else {
                tile(i);
            }
            if (layout.factored()) {
                assembler.add(FACTORS, PanelLayout.WIDTH);
            }
        }
        assembler.add(QUANTS, layout.bytes(BLOCK));
        assembler.add(IN, IntegerLayout.BYTES);
    }

    /** A part of few rows: weights in the order in which they lie, each of them used at once. */
    private void stream(int i) {
        for (int sum = 0; sum < sums.length; sum++) {
            begin(sum / vectors, 2 * sum, i);
        }
        int perWord = perWord();
        for (int step = 0; step < part / STEP; step += perWord) {
            for (int vector = 0; vector < vectors; vector++) {
                for (int which = 0; which < perWord; which++) {
                    quants(weights[which], vector, i, step + which);
                }
                for (int which = 0; which < perWord; which++) {
                    for (int row = 0; row < rows; row++) {
                        multiply(row, 2 * (row * vectors + vector), weights[which], i, step + which);
                    }
                }
            }
        }
        for (int vector = 0; vector < vectors; vector++) {
            scales(vector);
            for (int row = 0; row < rows; row++) {
                scale(vector, row, row + 1, row * vectors + vector, i);
            }
        }
    }

    /** A part of more rows: weights wait in registers while rows go by, two at a time, so that neighbouring instructions need not wait. */
    private void tile(int i) {
        for (int vector = 0; vector < vectors; vector++) {
            for (int step = 0; step < weights.length; step++) {
                quants(weights[step], vector, i, step);
            }
            scales(vector);
            for (int from = 0; from < rows; from += 2) {
                int to = Math.min(from + 2, rows);
                for (int row = from; row < to; row++) {
                    begin(row, 2 * (row - from), i);
                }
                for (int step = 0; step < weights.length; step++) {
                    for (int row = from; row < to; row++) {
                        multiply(row, 2 * (row - from), weights[step], i, step);
                    }
                }
                scale(vector, from, to, 0, i);
            }
        }
    }

    /** Steps whose quants share an int. */
    private int perWord() {
        return layout.isFolded() ? 1 : Byte.SIZE / layout.bits();
    }

    /** Loads quants of 16 outputs as bytes, those of the four inputs of a step in an int. */
    private void quants(int to, int vector, int i, int step) {
        if (layout.isFolded()) {
            unfold(to, vector, i * layout.bytes(part), step);
        } else {
            load(to, vector, i, step);
        }
        if (mask >= 0) {
            assembler.and(to, to, mask);
        }
    }

    private void load(int to, int vector, int i, int step) {
        int perWord = perWord();
        Memory word = at(QUANTS, vector, VECTOR, i * layout.bytes(part) + step / perWord * ROW);
        // If a byte holds two quants, the lower one has to move up.
        int up = step % perWord < perWord - 1 ? layout.bits() : 0;
        if (step % perWord == 0) {
            prefetch(word, ahead);
        }
        assembler.rotateIntsRight(to, word, FRACTION - layout.bits() - up);
    }

    /** The same of folded quants, with other bits below them, from the part that begins so many bytes after the present one. */
    private void unfold(int to, int vector, int past, int step) {
        int which = step % (PanelLayout.FOLD + 1);
        Memory first = at(QUANTS, vector, VECTOR, past + step / (PanelLayout.FOLD + 1) * PanelLayout.FOLD * ROW);
        Memory word = first.plus(which * ROW);
        if (which < PanelLayout.FOLD) {
            prefetch(word, ahead);
            assembler.rotateIntsRight(to, word, PanelLayout.foldTurn(which));
        } else {
            assembler.loadFloats(to, first);
            assembler.loadFloats(scratch[1], first.plus(ROW));
            assembler.xorAll(to, scratch[1], first.plus(2 * ROW));
        }
    }

    private void scales(int vector) {
        multiplier(multiplier, vector, power, scratch[0]);
        if (layout.affine()) {
            constant(scratch[1], (float) IntegerLayout.MIDDLE);
            minimum(minimum, vector, multiplier, scratch[1], scratch[0]);
        }
    }

    /** Begins the sums of a row: that of the upper bytes in a temporary, that of the lower ones in the next. */
    private void begin(int row, int at, int i) {
        assembler.broadcastInt(temporaries[at], in(row, IntegerLayout.negatedSum(part, i)));
        assembler.xor(temporaries[at + 1], temporaries[at + 1], temporaries[at + 1]);
    }

    private void multiply(int row, int at, int quants, int i, int step) {
        int input = i * part + step * STEP;
        assembler.multiplyAddBytes(temporaries[at], quants, in(row, IntegerLayout.UPPER + input));
        assembler.multiplyAddBytes(temporaries[at + 1], quants, in(row, IntegerLayout.LOWER + input));
    }

    /** Adds the scaled sums of some rows, which are in the temporaries from {@code 2 * first} on. */
    private void scale(int vector, int from, int to, int first, int i) {
        for (int row = from; row < to; row++) {
            int upper = temporaries[2 * (first + row - from)];
            assembler.shiftIntsLeft(upper, upper, Byte.SIZE);
        }
        for (int row = from; row < to; row++) {
            int upper = temporaries[2 * (first + row - from)];
            int lower = temporaries[2 * (first + row - from) + 1];
            assembler.addInts(upper, upper, lower);
            assembler.convertIntsToFloats(upper, upper);
            assembler.multiplyBroadcast(lower, multiplier, in(row, IntegerLayout.SCALE));
            int sum = sums[sum(vector, row)];
            if (layout.affine()) {
                assembler.multiplyAddBroadcast(sum, minimum, in(row, IntegerLayout.sum(part, i)));
            }
            assembler.multiplyAdd(sum, upper, lower);
        }
    }

    /** Products lie {@code [panels, rows, WIDTH]}. */
    private int sum(int vector, int row) {
        return 2 * (vector / 2 * rows + row) + vector % 2;
    }

    private Memory in(int row, int past) {
        return new Memory(IN, row * rowBytes + past);
    }
}
