package io.github.sparkmixtral.cpu.jit;

/**
 * Writes kernels over rows of floats: {@code void(row, row, row, bits of a float, vectors)}. The operations and their order are those of
 * the kernels on the Vector API, so that the bits are.
 */
final class RowWriter {

    private static final int VECTOR = 64;
    private static final int FRACTION = 23;

    private static final Gpr FIRST = Gpr.RDI;
    private static final Gpr SECOND = Gpr.RSI;
    private static final Gpr THIRD = Gpr.RDX;
    private static final Gpr NUMBER = Gpr.RCX;
    private static final Gpr VECTORS = Gpr.R8;
    private static final Gpr CONSTANT = Gpr.RAX;
    private static final Gpr COUNTER = Gpr.RAX;

    // Vectors.
    private static final int X = 0;
    private static final int Y = 1;
    private static final int EXPONENT = 2;
    private static final int ROUNDED = 3;
    private static final int SUM = 4;
    private static final int LARGEST = 5;
    private static final int CONSTANTS = 12;

    private final Assembler assembler = new Assembler();
    private int constants = CONSTANTS;
    private int largest;
    private int smallest;
    private int log2;
    private int rounder;
    private int high;
    private int low;
    private final int[] coefficients = new int[Exponential.COEFFICIENTS.length];

    private RowWriter() {}

    static byte[] squares() {
        RowWriter writer = new RowWriter();
        Assembler assembler = writer.assembler;
        assembler.xor(SUM, SUM, SUM);
        assembler.loop(VECTORS, () -> {
            assembler.loadFloats(X, new Memory(SECOND, 0));
            assembler.multiplyAdd(SUM, X, X);
            assembler.add(SECOND, VECTOR);
        });
        assembler.storeFloats(new Memory(FIRST, 0), SUM);
        return writer.end();
    }

    static byte[] scale() {
        RowWriter writer = new RowWriter();
        Assembler assembler = writer.assembler;
        assembler.broadcastInt(CONSTANTS, NUMBER);
        assembler.loop(VECTORS, () -> {
            assembler.loadFloats(X, new Memory(SECOND, 0));
            assembler.loadFloats(Y, new Memory(THIRD, 0));
            assembler.multiply(X, X, CONSTANTS);
            assembler.multiply(X, X, Y);
            writer.store();
            assembler.add(THIRD, VECTOR);
        });
        return writer.end();
    }

    static byte[] accumulate() {
        RowWriter writer = new RowWriter();
        Assembler assembler = writer.assembler;
        assembler.broadcastInt(CONSTANTS, NUMBER);
        assembler.loop(VECTORS, () -> {
            assembler.loadFloats(X, new Memory(FIRST, 0));
            assembler.loadFloats(Y, new Memory(SECOND, 0));
            assembler.multiplyAdd(X, CONSTANTS, Y);
            writer.store();
        });
        return writer.end();
    }

    static byte[] swiGlu() {
        RowWriter writer = new RowWriter();
        Assembler assembler = writer.assembler;
        int sign = writer.constant(-0f);
        int one = writer.constant(1);
        writer.exponentialConstants();
        assembler.loop(VECTORS, () -> {
            assembler.loadFloats(X, new Memory(FIRST, 0));
            assembler.loadFloats(Y, new Memory(SECOND, 0));
            assembler.multiply(Y, X, Y);
            assembler.xor(X, X, sign);
            writer.exponential();
            assembler.add(SUM, SUM, one);
            assembler.divide(X, Y, SUM);
            writer.store();
        });
        return writer.end();
    }

    static byte[] sums() {
        RowWriter writer = new RowWriter();
        Assembler assembler = writer.assembler;
        // What begins the sums leaves a zero its sign.
        assembler.moveInt(CONSTANT, Float.floatToRawIntBits(-0f));
        assembler.broadcastInt(SUM, CONSTANT);
        assembler.loop(VECTORS, () -> {
            assembler.loadFloats(X, new Memory(SECOND, 0));
            assembler.add(SUM, SUM, X);
            assembler.add(SECOND, VECTOR);
        });
        assembler.storeFloats(new Memory(FIRST, 0), SUM);
        return writer.end();
    }

    static byte[] exponentials() {
        RowWriter writer = new RowWriter();
        Assembler assembler = writer.assembler;
        writer.exponentialConstants();
        assembler.broadcastInt(LARGEST, NUMBER);
        assembler.move(COUNTER, VECTORS);
        assembler.move(THIRD, FIRST);
        assembler.loop(COUNTER, () -> {
            assembler.loadFloats(X, new Memory(THIRD, 0));
            assembler.maximum(LARGEST, LARGEST, X);
            assembler.add(THIRD, VECTOR);
        });
        for (int lanes = RowKernels.LANES / 2; lanes > 0; lanes /= 2) {
            assembler.turnLanes(X, LARGEST, lanes);
            assembler.maximum(LARGEST, LARGEST, X);
        }
        assembler.storeFloats(new Memory(SECOND, 0), LARGEST);
        assembler.loop(VECTORS, () -> {
            assembler.loadFloats(X, new Memory(FIRST, 0));
            assembler.subtract(X, X, LARGEST);
            writer.exponential();
            assembler.storeFloats(new Memory(FIRST, 0), SUM);
            assembler.add(FIRST, VECTOR);
        });
        return writer.end();
    }

    private void exponentialConstants() {
        largest = constant(Exponential.LARGEST);
        smallest = constant(Exponential.SMALLEST);
        log2 = constant(Exponential.LOG2_E);
        rounder = constant(Exponential.ROUNDER);
        high = constant(-Exponential.LN2_HIGH);
        low = constant(-Exponential.LN2_LOW);
        for (int i = 0; i < coefficients.length; i++) {
            coefficients[i] = constant(Exponential.COEFFICIENTS[i]);
        }
    }

    /** {@code SUM = exp(X)}: see {@code VectorMath.exp} for the steps. */
    private void exponential() {
        // If one of two is not a number, the second one is taken: X, that is.
        assembler.maximum(X, smallest, X);
        assembler.minimum(X, largest, X);
        assembler.move(EXPONENT, X);
        assembler.multiplyInto(EXPONENT, log2, rounder);
        assembler.subtract(ROUNDED, EXPONENT, rounder);
        assembler.multiplyAdd(X, ROUNDED, high);
        assembler.multiplyAdd(X, ROUNDED, low);
        assembler.move(SUM, coefficients[0]);
        for (int i = 1; i < coefficients.length; i++) {
            assembler.multiplyInto(SUM, X, coefficients[i]);
        }
        assembler.shiftIntsLeft(EXPONENT, EXPONENT, FRACTION);
        assembler.addInts(SUM, SUM, EXPONENT);
    }

    private int constant(float value) {
        assembler.moveInt(CONSTANT, Float.floatToRawIntBits(value));
        assembler.broadcastInt(constants, CONSTANT);
        return constants++;
    }

    /** Stores what was computed to the first row, and goes on to the next vectors of that and of the second. */
    private void store() {
        assembler.storeFloats(new Memory(FIRST, 0), X);
        assembler.add(FIRST, VECTOR);
        assembler.add(SECOND, VECTOR);
    }

    private byte[] end() {
        assembler.end();
        return assembler.code();
    }
}
