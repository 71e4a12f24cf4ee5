package io.github.sparkmixtral.cpu.jit;

/**
 * Writes the two products of attention: of queries with keys, and of weights with values. Both take some heads that share keys and
 * values, and up to four blocks of 16 positions, which may lie anywhere: enough sums for none to wait for its last addition.
 *
 * <p>Inputs are summed up in ascending order with fused multiply-adds, as by the kernels on the Vector API: so the bits of a result are
 * theirs.
 */
final class AttentionWriter {

    private static final int VECTOR = 64;

    /** Vectors of a value that are worked on at once. */
    private static final int WIDE = 4;

    private final Assembler assembler = new Assembler();
    private final int heads;
    private int registers;

    private AttentionWriter(int heads) {
        this.heads = heads;
    }

    /**
     * {@code void(queries, offset, scores, offset, keys)}: {@code scores[head, block, token] = scale * sum over d of queries[head, d] *
     * keys[block][d, token]}. Offsets are bytes, {@code keys} a table of the blocks' addresses.
     *
     * @param blocks from 1 to 4
     * @param size of a head
     * @param scoreBytes from one head's scores to the next one's
     */
    static byte[] scores(int heads, int blocks, int size, int scoreBytes, float scale) {
        return new AttentionWriter(heads).writeScores(blocks, size, scoreBytes, scale);
    }

    private byte[] writeScores(int blocks, int size, int scoreBytes, float scale) {
        Gpr queries = Gpr.RDI;
        Gpr scores = Gpr.RDX;
        Gpr table = Gpr.R8;
        Gpr[] keys = {Gpr.RSI, Gpr.RCX, Gpr.R9, Gpr.R10};
        assembler.add(queries, Gpr.RSI);
        assembler.add(scores, Gpr.RCX);
        for (int block = 0; block < blocks; block++) {
            assembler.loadLong(keys[block], new Memory(table, block * Long.BYTES));
        }
        int[][] sums = assign(heads, blocks);
        int[] key = assign(1, blocks)[0];
        int query = registers++;
        zero(sums);
        int unrolled = size % 4 == 0 ? 4 : 1;
        assembler.moveInt(Gpr.RAX, size / unrolled);
        assembler.loop(Gpr.RAX, () -> {
            for (int d = 0; d < unrolled; d++) {
                for (int block = 0; block < blocks; block++) {
                    assembler.loadFloats(key[block], new Memory(keys[block], d * VECTOR));
                }
                for (int head = 0; head < heads; head++) {
                    assembler.broadcastFloat(query, new Memory(queries, (head * size + d) * Float.BYTES));
                    for (int block = 0; block < blocks; block++) {
                        assembler.multiplyAdd(sums[head][block], query, key[block]);
                    }
                }
            }
            assembler.add(queries, unrolled * Float.BYTES);
            for (int block = 0; block < blocks; block++) {
                assembler.add(keys[block], unrolled * VECTOR);
            }
        });
        assembler.moveInt(Gpr.RAX, Float.floatToRawIntBits(scale));
        assembler.broadcastInt(query, Gpr.RAX);
        for (int head = 0; head < heads; head++) {
            for (int block = 0; block < blocks; block++) {
                int sum = sums[head][block];
                assembler.multiply(sum, sum, query);
                assembler.storeFloats(new Memory(scores, head * scoreBytes + block * VECTOR), sum);
            }
        }
        assembler.end();
        return assembler.code();
    }

    /**
     * {@code void(sums, offset, weights, offset, values, blocks)}: {@code sums[head, d] += sum over tokens of weights[head, token] *
     * values[token, d]}. Offsets are bytes; {@code values} is a table of {@code blocks} pairs: the address of a block's first value that
     * counts, and how many do, at least one. Weights lie side by side over all blocks.
     *
     * @param stride floats from one value to the next, and from one head's sums to the next one's: a multiple of 16
     * @param weightBytes from one head's weights to the next one's
     */
    static byte[] values(int heads, int stride, int weightBytes) {
        return new AttentionWriter(heads).writeValues(stride, weightBytes);
    }

    private byte[] writeValues(int stride, int weightBytes) {
        assembler.add(Gpr.RDI, Gpr.RSI);
        assembler.add(Gpr.RDX, Gpr.RCX);
        for (int first = 0; first < stride / 16; first += WIDE) {
            registers = 0;
            writeValues(first, Math.min(WIDE, stride / 16 - first), stride, weightBytes);
        }
        assembler.end();
        return assembler.code();
    }

    /** The part of values that consists of some vectors. */
    private void writeValues(int first, int vectors, int stride, int weightBytes) {
        Gpr sums = Gpr.RDI;
        Gpr value = Gpr.RSI;
        Gpr tokens = Gpr.RCX;
        Gpr weights = Gpr.RAX;
        Gpr table = Gpr.R10;
        Gpr blocks = Gpr.R11;
        int[][] held = assign(heads, vectors);
        int[] parts = assign(1, vectors)[0];
        int weight = registers++;
        for (int head = 0; head < heads; head++) {
            for (int i = 0; i < vectors; i++) {
                assembler.loadFloats(held[head][i], sum(sums, head, first + i, stride));
            }
        }
        assembler.move(weights, Gpr.RDX);
        assembler.move(table, Gpr.R8);
        assembler.move(blocks, Gpr.R9);
        assembler.loop(blocks, () -> {
            assembler.loadLong(value, new Memory(table, 0));
            assembler.loadLong(tokens, new Memory(table, Long.BYTES));
            assembler.add(table, 2 * Long.BYTES);
            assembler.loop(tokens, () -> {
                for (int i = 0; i < vectors; i++) {
                    assembler.loadFloats(parts[i], new Memory(value, (first + i) * VECTOR));
                }
                for (int head = 0; head < heads; head++) {
                    assembler.broadcastFloat(weight, new Memory(weights, head * weightBytes));
                    for (int i = 0; i < vectors; i++) {
                        assembler.multiplyAdd(held[head][i], weight, parts[i]);
                    }
                }
                assembler.add(value, stride * Float.BYTES);
                assembler.add(weights, Float.BYTES);
            });
        });
        for (int head = 0; head < heads; head++) {
            for (int i = 0; i < vectors; i++) {
                assembler.storeFloats(sum(sums, head, first + i, stride), held[head][i]);
            }
        }
    }

    private static Memory sum(Gpr sums, int head, int vector, int stride) {
        return new Memory(sums, head * stride * Float.BYTES + vector * VECTOR);
    }

    private int[][] assign(int rows, int columns) {
        int[][] assigned = new int[rows][columns];
        for (int[] row : assigned) {
            for (int i = 0; i < columns; i++) {
                row[i] = registers++;
            }
        }
        return assigned;
    }

    private void zero(int[][] vectors) {
        for (int[] row : vectors) {
            for (int vector : row) {
                assembler.xor(vector, vector, vector);
            }
        }
    }
}
