package io.github.sparkmixtral.cpu.jit;

/**
 * Writes the kernel that makes {@linkplain IntegerLayout integers} of a row of floats: {@code void(nothing, in, input, out, nothing, blocks)}.
 * If an input is not finite, the block's scale is not finite either, and no product with it is.
 */
final class IntegerRowWriter {

    private static final int VECTOR = 64;
    private static final Gpr IN = Gpr.RSI;
    private static final Gpr OUT = Gpr.RDX;
    private static final Gpr BLOCKS = Gpr.R8;
    private static final Gpr CONSTANT = Gpr.RCX;

    // Vectors.
    private static final int FIRST = 0;
    private static final int SECOND = 1;
    private static final int LARGEST = 2;
    private static final int SCALE = 3;
    private static final int TURNED = 4;
    private static final int[] SUMS = {5, 6};
    private static final int BOTH = 7;
    private static final int ZERO = 8;
    private static final int MAGNITUDE = 9;
    private static final int SMALLEST = 10;
    private static final int STEP = 11;
    private static final int HALF_RANGE = 12;
    private static final int HALF_BYTE = 13;
    private static final int UPPER = 14;

    private final Assembler assembler = new Assembler();

    private IntegerRowWriter() {}

    static byte[] write() {
        return new IntegerRowWriter().kernel();
    }

    private byte[] kernel() {
        assembler.add(IN, Gpr.RDX);
        assembler.move(OUT, Gpr.RCX);
        assembler.move(BLOCKS, Gpr.R9);
        assembler.xor(ZERO, ZERO, ZERO);
        constant(MAGNITUDE, Integer.MAX_VALUE);
        constant(SMALLEST, Float.floatToRawIntBits(IntegerLayout.SMALLEST));
        constant(STEP, Float.floatToRawIntBits(1f / IntegerLayout.LARGEST));
        constant(HALF_RANGE, Float.floatToRawIntBits(IntegerLayout.LARGEST / 2));
        constant(HALF_BYTE, 1 << Byte.SIZE - 1);
        assembler.loop(BLOCKS, this::block);
        assembler.end();
        return assembler.code();
    }

    private void constant(int register, int bits) {
        assembler.moveInt(CONSTANT, bits);
        assembler.broadcastInt(register, CONSTANT);
    }

    private void block() {
        assembler.loadFloats(FIRST, new Memory(IN, 0));
        assembler.loadFloats(SECOND, new Memory(IN, VECTOR));
        largest();
        assembler.multiply(SCALE, LARGEST, STEP);
        assembler.divide(LARGEST, HALF_RANGE, LARGEST);
        halves(FIRST, 0);
        halves(SECOND, 1);
        assembler.addInts(BOTH, SUMS[0], SUMS[1]);
        sums(BOTH, IntegerLayout.SUM, IntegerLayout.NEGATED_SUM);
        assembler.storeFloat(new Memory(OUT, IntegerLayout.SCALE), SCALE);
        assembler.add(IN, 2 * VECTOR);
        assembler.add(OUT, IntegerLayout.BYTES);
    }

    /** The largest magnitude, in all lanes. Compared as ints, a number that is not one is larger than all others. */
    private void largest() {
        assembler.and(LARGEST, FIRST, MAGNITUDE);
        assembler.and(TURNED, SECOND, MAGNITUDE);
        assembler.maximumInts(LARGEST, LARGEST, TURNED);
        for (int lanes = 8; lanes > 0; lanes /= 2) {
            assembler.turnLanes(TURNED, LARGEST, lanes);
            assembler.maximumInts(LARGEST, LARGEST, TURNED);
        }
        assembler.maximumInts(LARGEST, LARGEST, SMALLEST);
    }

    /** The integers of 16 inputs, and their sums. */
    private void halves(int inputs, int which) {
        int sum = SUMS[which];
        assembler.multiply(inputs, inputs, LARGEST);
        assembler.roundToInts(inputs, inputs);
        assembler.turnLanes(TURNED, inputs, 8);
        assembler.addInts(sum, inputs, TURNED);
        for (int lanes = 4; lanes > 0; lanes /= 2) {
            assembler.turnLanes(TURNED, sum, lanes);
            assembler.addInts(sum, sum, TURNED);
        }
        sums(
                sum,
                IntegerLayout.HALF_SUMS + which * Float.BYTES,
                IntegerLayout.NEGATED_HALF_SUMS + which * Integer.BYTES);
        assembler.addInts(inputs, inputs, inputs);
        assembler.addInts(UPPER, inputs, HALF_BYTE);
        assembler.shiftIntsRight(UPPER, UPPER, Byte.SIZE);
        assembler.shiftIntsLeft(TURNED, UPPER, Byte.SIZE);
        assembler.subtractInts(inputs, inputs, TURNED);
        assembler.storeAsBytes(new Memory(OUT, IntegerLayout.UPPER + which * VECTOR / 4), UPPER);
        assembler.storeAsBytes(new Memory(OUT, IntegerLayout.LOWER + which * VECTOR / 4), inputs);
    }

    /** Stores a sum of halved integers as it is said in {@link IntegerLayout}. */
    private void sums(int halved, int asFloat, int negated) {
        assembler.subtractInts(TURNED, ZERO, halved);
        assembler.storeFloat(new Memory(OUT, negated), TURNED);
        assembler.addInts(TURNED, halved, halved);
        assembler.convertIntsToFloats(TURNED, TURNED);
        assembler.multiply(TURNED, TURNED, SCALE);
        assembler.storeFloat(new Memory(OUT, asFloat), TURNED);
    }
}
