package io.github.sparkmixtral.cpu.jit;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Writes the instructions that kernels consist of, as bytes (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2; 2.7
 * for EVEX). Vectors are of 512 bits; a register of theirs is a number from 0 to 31. Destinations come first.
 *
 * <p>Operands are checked where a mistake would make another instruction; that a register or an address is the right one is up to who
 * calls.
 */
final class Assembler {

    private static final int NO_PREFIX = 0;
    private static final int PREFIX_66 = 1;
    private static final int PREFIX_F3 = 2;
    private static final int MAP_0F = 1;
    private static final int MAP_0F38 = 2;
    private static final int MAP_0F3A = 3;

    /** Bytes that a displacement of one byte counts by, of operands of a whole vector, its half, its quarter, one element. */
    private static final int VECTOR = 64;

    private static final int HALF = 32;
    private static final int QUARTER = 16;
    private static final int ELEMENT = 4;

    private byte[] code = new byte[4096];
    private int size;

    /** What has been written. */
    byte[] code() {
        return Arrays.copyOf(code, size);
    }

    // Vectors to and from memory.

    void loadFloats(int to, Memory from) {
        evex(NO_PREFIX, MAP_0F, 0x10, to, 0, from, VECTOR, false);
    }

    void storeFloats(Memory to, int from) {
        evex(NO_PREFIX, MAP_0F, 0x11, from, 0, to, VECTOR, false);
    }

    /** One float in all lanes. */
    void broadcastFloat(int to, Memory from) {
        evex(PREFIX_66, MAP_0F38, 0x18, to, 0, from, ELEMENT, false);
    }

    /** The low 32 bits of a general register in all lanes. */
    void broadcastInt(int to, Gpr from) {
        evex(PREFIX_66, MAP_0F38, 0x7C, to, 0, from.number);
    }

    /** One int in all lanes. */
    void broadcastInt(int to, Memory from) {
        evex(PREFIX_66, MAP_0F38, 0x58, to, 0, from, ELEMENT, false);
    }

    /** The first lane alone. */
    void storeFloat(Memory to, int from) {
        evex(PREFIX_F3, MAP_0F, 0x11, from, 0, to, ELEMENT, false);
    }

    /** The lowest byte of each int. */
    void storeAsBytes(Memory to, int from) {
        evex(PREFIX_F3, MAP_0F38, 0x31, from, 0, to, QUARTER, false);
    }

    /** 16 numbers of half precision, as floats. */
    void convertHalvesToFloats(int to, Memory from) {
        evex(PREFIX_66, MAP_0F38, 0x13, to, 0, from, HALF, false);
    }

    /** 16 bytes with a sign, as ints. */
    void extendBytesToInts(int to, Memory from) {
        evex(PREFIX_66, MAP_0F38, 0x21, to, 0, from, QUARTER, false);
    }

    /** 16 shorts without a sign, as ints. */
    void extendShortsToInts(int to, Memory from) {
        evex(PREFIX_66, MAP_0F38, 0x33, to, 0, from, HALF, false);
    }

    // Arithmetic of vectors.

    void convertIntsToFloats(int to, int from) {
        evex(NO_PREFIX, MAP_0F, 0x5B, to, 0, from);
    }

    /** To the nearest, the even one of two. */
    void roundToInts(int to, int from) {
        evex(PREFIX_66, MAP_0F, 0x5B, to, 0, from);
    }

    void addInts(int to, int first, int second) {
        evex(PREFIX_66, MAP_0F, 0xFE, to, first, second);
    }

    /** {@code first - second} */
    void subtractInts(int to, int first, int second) {
        evex(PREFIX_66, MAP_0F, 0xFA, to, first, second);
    }

    void maximumInts(int to, int first, int second) {
        evex(PREFIX_66, MAP_0F38, 0x3D, to, first, second);
    }

    /**
     * Adds four products of bytes to each int: the first operand's bytes have no sign, those of an int of memory, the same for all lanes, do
     * (AVX-512 VNNI).
     */
    void multiplyAddBytes(int sum, int first, Memory second) {
        evex(PREFIX_66, MAP_0F38, 0x50, sum, first, second, ELEMENT, true);
    }

    void and(int to, int first, int second) {
        evex(PREFIX_66, MAP_0F, 0xDB, to, first, second);
    }

    void move(int to, int from) {
        evex(NO_PREFIX, MAP_0F, 0x28, to, 0, from);
    }

    /** The second one if one of them is not a number. */
    void maximum(int to, int first, int second) {
        evex(NO_PREFIX, MAP_0F, 0x5F, to, first, second);
    }

    /** The second one if one of them is not a number. */
    void minimum(int to, int first, int second) {
        evex(NO_PREFIX, MAP_0F, 0x5D, to, first, second);
    }

    void xor(int to, int first, int second) {
        evex(PREFIX_66, MAP_0F, 0xEF, to, first, second);
    }

    void add(int to, int first, int second) {
        evex(NO_PREFIX, MAP_0F, 0x58, to, first, second);
    }

    /** {@code first - second} */
    void subtract(int to, int first, int second) {
        evex(NO_PREFIX, MAP_0F, 0x5C, to, first, second);
    }

    void multiply(int to, int first, int second) {
        evex(NO_PREFIX, MAP_0F, 0x59, to, first, second);
    }

    /** With one float of memory for all lanes. */
    void multiplyBroadcast(int to, int first, Memory second) {
        evex(NO_PREFIX, MAP_0F, 0x59, to, first, second, ELEMENT, true);
    }

    /** {@code first / second} */
    void divide(int to, int first, int second) {
        evex(NO_PREFIX, MAP_0F, 0x5E, to, first, second);
    }

    /** {@code sum += first * second}, fused. */
    void multiplyAdd(int sum, int first, int second) {
        evex(PREFIX_66, MAP_0F38, 0xB8, sum, first, second);
    }

    /** {@code sum += first * second}, fused, with one float of memory for all lanes. */
    void multiplyAddBroadcast(int sum, int first, Memory second) {
        evex(PREFIX_66, MAP_0F38, 0xB8, sum, first, second, ELEMENT, true);
    }

    /** {@code factor = factor * other + addend}, fused. */
    void multiplyInto(int factor, int other, int addend) {
        evex(PREFIX_66, MAP_0F38, 0xA8, factor, other, addend);
    }

    void rotateIntsRight(int to, int from, int bits) {
        evex(PREFIX_66, MAP_0F, 0x72, 0, to, from);
        immediate(bits);
    }

    void rotateIntsRight(int to, Memory from, int bits) {
        evex(PREFIX_66, MAP_0F, 0x72, 0, to, from, VECTOR, false);
        immediate(bits);
    }

    void shiftIntsLeft(int to, int from, int bits) {
        evex(PREFIX_66, MAP_0F, 0x72, 6, to, from);
        immediate(bits);
    }

    /** With the sign. */
    void shiftIntsRight(int to, int from, int bits) {
        evex(PREFIX_66, MAP_0F, 0x72, 4, to, from);
        immediate(bits);
    }

    /** {@code to[i] = from[(i + lanes) mod 16]} */
    void turnLanes(int to, int from, int lanes) {
        evex(PREFIX_66, MAP_0F3A, 0x03, to, from, from);
        immediate(lanes);
    }

    /** {@code to = to & and | or} */
    void andOr(int to, int and, int or) {
        evex(PREFIX_66, MAP_0F3A, 0x25, to, and, or);
        immediate(0xEA);
    }

    /** {@code to = to ^ second ^ third} */
    void xorAll(int to, int second, Memory third) {
        evex(PREFIX_66, MAP_0F3A, 0x25, to, second, third, VECTOR, false);
        immediate(0x96);
    }

    /** {@code to[i] = table[indices[i] mod 16]} */
    void lookUp(int to, int indices, int table) {
        evex(PREFIX_66, MAP_0F38, 0x16, to, indices, table);
    }

    // The rest.

    void prefetch(Memory at) {
        rex(false, 0, at.base().number);
        write(0x0F, 0x18);
        operand(1, at, 1);
    }

    /** The upper half of the register becomes zero. */
    void moveInt(Gpr to, int value) {
        rex(false, 0, to.number);
        write(0xB8 | to.number & 7);
        writeInt(value);
    }

    void moveLong(Gpr to, long value) {
        rex(true, 0, to.number);
        write(0xB8 | to.number & 7);
        writeInt((int) value);
        writeInt((int) (value >>> Integer.SIZE));
    }

    void move(Gpr to, Gpr from) {
        rex(true, from.number, to.number);
        write(0x89, 0xC0 | (from.number & 7) << 3 | to.number & 7);
    }

    void loadLong(Gpr to, Memory from) {
        rex(true, to.number, from.base().number);
        write(0x8B);
        operand(to.number, from, 1);
    }

    void add(Gpr to, Gpr from) {
        rex(true, from.number, to.number);
        write(0x01, 0xC0 | (from.number & 7) << 3 | to.number & 7);
    }

    void add(Gpr to, int value) {
        rex(true, 0, to.number);
        if (value == (byte) value) {
            write(0x83, 0xC0 | to.number & 7, value & 0xFF);
        } else if (to == Gpr.RAX) {
            write(0x05);
            writeInt(value);
        } else {
            write(0x81, 0xC0 | to.number & 7);
            writeInt(value);
        }
    }

    /** {@code to = from * value} */
    void multiply(Gpr to, Gpr from, int value) {
        rex(true, to.number, from.number);
        int operands = 0xC0 | (to.number & 7) << 3 | from.number & 7;
        if (value == (byte) value) {
            write(0x6B, operands, value & 0xFF);
        } else {
            write(0x69, operands);
            writeInt(value);
        }
    }

    /** Writes a loop that runs as often as the counter says, which is not zero. The body leaves the counter alone. */
    void loop(Gpr counter, Runnable body) {
        int begin = size;
        body.run();
        decrement(counter);
        jumpIfNotZero(begin);
    }

    /** Subtracts one, and remembers for {@link #jumpIfNotZero} whether that left nothing. */
    void decrement(Gpr counter) {
        rex(true, 0, counter.number);
        write(0x83, 0xE8 | counter.number & 7, 1);
    }

    /** @param target an earlier {@link #size} */
    private void jumpIfNotZero(int target) {
        int near = target - (size + 2);
        if (near == (byte) near) {
            write(0x75, near & 0xFF);
        } else {
            write(0x0F, 0x85);
            writeInt(target - (size + 4));
        }
    }

    /** Ends the function, its vectors' upper parts left clean. */
    void end() {
        write(0xC5, 0xF8, 0x77);
        write(0xC3);
    }

    /** An instruction of vectors alone; {@code reg} may be part of the operation. */
    private void evex(int prefix, int map, int operation, int reg, int second, int rm) {
        if ((rm & ~31) != 0) {
            throw new IllegalArgumentException("no register " + rm);
        }
        prefix(prefix, map, reg, second, rm >> 3 & 1, rm >> 4 & 1, false);
        write(operation, 0xC0 | (reg & 7) << 3 | rm & 7);
    }

    /** An instruction whose last operand lies in memory, and has {@code unit} bytes. */
    private void evex(int prefix, int map, int operation, int reg, int second, Memory rm, int unit, boolean broadcast) {
        prefix(prefix, map, reg, second, rm.base().number >> 3, 0, broadcast);
        write(operation);
        operand(reg, rm, unit);
    }

    private void prefix(int prefix, int map, int reg, int second, int b, int x, boolean broadcast) {
        if (((reg | second) & ~31) != 0) {
            throw new IllegalArgumentException("no register " + reg + " or " + second);
        }
        int registers = (reg >> 3 & 1) << 7 | x << 6 | b << 5 | (reg >> 4 & 1) << 4;
        write(0x62, registers ^ 0xF0 | map);
        write((~second & 0xF) << 3 | 1 << 2 | prefix, 0b10 << 5 | (broadcast ? 1 << 4 : 0) | (~second >> 4 & 1) << 3);
    }

    /** The bytes that say register and memory. None of the bases needs a SIB byte, and none lacks a displacement of no bytes. */
    private void operand(int reg, Memory memory, int unit) {
        int registers = (reg & 7) << 3 | memory.base().number & 7;
        int units = memory.displacement() / unit;
        if (memory.displacement() == 0) {
            write(registers);
        } else if (memory.displacement() % unit == 0 && units == (byte) units) {
            write(0x40 | registers, units & 0xFF);
        } else {
            write(0x80 | registers);
            writeInt(memory.displacement());
        }
    }

    private void rex(boolean wide, int reg, int rm) {
        int rex = 0x40 | (wide ? 8 : 0) | (reg >> 3) << 2 | rm >> 3;
        if (rex != 0x40) {
            write(rex);
        }
    }

    private void immediate(int value) {
        if ((value & ~0xFF) != 0) {
            throw new IllegalArgumentException(value + " does not fit into a byte");
        }
        write(value);
    }

    private void writeInt(int value) {
        byte[] bytes = ByteBuffer.allocate(Integer.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(value)
                .array();
        write(bytes[0], bytes[1], bytes[2], bytes[3]);
    }

    private void write(int... bytes) {
        if (size + bytes.length > code.length) {
            code = Arrays.copyOf(code, 2 * code.length);
        }
        for (int b : bytes) {
            code[size++] = (byte) b;
        }
    }
}
