package io.github.sparkmixtral.cpu.jit;

/**
 * How a panel of weights lies in memory: for each input, what belongs to {@value #WIDTH} outputs side by side. See the matrix' own
 * documentation for what its parts mean; offsets are in bytes from the panel's beginning.
 *
 * @param elements what an element is
 * @param bits of an element
 * @param columns inputs
 * @param blockSize inputs that share a number of half precision
 * @param scaleBlock inputs that share a factor, or {@code blockSize} if there are none
 * @param affine whether a block has a minimum, too
 * @param zero what was added to quants so that they are not negative
 * @param minimumHalves where the minima's numbers of half precision begin
 * @param factors where the factors of scales begin
 * @param minimumFactors where the factors of minima begin
 * @param quants where the elements begin
 */
public record PanelLayout(
        Elements elements,
        int bits,
        int columns,
        int blockSize,
        int scaleBlock,
        boolean affine,
        int zero,
        int minimumHalves,
        int factors,
        int minimumFactors,
        int quants) {

    /** Outputs of a panel. */
    public static final int WIDTH = 32;

    /** Bits of quants that are folded. */
    public static final int FOLDED_BITS = 6;

    /** How many of four ints are held of such quants. */
    public static final int FOLD = 3;

    /** What the elements of a panel are. */
    public enum Elements {
        FLOATS,
        /** Of half precision. */
        HALVES,
        BFLOAT16,
        /**
         * Integers, those of neighbouring inputs in one int, in the order of {@link #turn}, which is turned to the left until the first lies
         * at the top of a float's fraction.
         */
        QUANTS,
        /**
         * Integers of {@value #FOLDED_BITS} bits. Sixteen of them are four ints of bytes, each with the quant on top; three are held, each turned
         * to the left by {@link #foldTurn}; the fourth is their exclusive or. The bits below the quants mean nothing.
         */
        FOLDED_QUANTS,
        /** As {@link #QUANTS}, each of them an index of a table. */
        INDICES
    }

    /** Elements that need no scales. */
    public static PanelLayout plain(Elements elements, int columns) {
        return new PanelLayout(elements, elements == Elements.FLOATS ? 32 : 16, columns, 1, 1, false, 0, 0, 0, 0, 0);
    }

    boolean isQuantized() {
        return elements == Elements.QUANTS || isFolded() || elements == Elements.INDICES;
    }

    boolean isFolded() {
        return elements == Elements.FOLDED_QUANTS;
    }

    boolean factored() {
        return blockSize > scaleBlock;
    }

    /** Inputs that one turn of a kernel's outer loop takes: kernels begin and end at multiples of this. */
    public int group() {
        if (isQuantized()) {
            return blockSize;
        }
        return columns % 8 == 0 ? 8 : 1;
    }

    /**
     * How far an int of quants is to be turned to the right until an input's quant is where the int's first one was, mod 32: the
     * bytes belong to neighbours in a row, and of bytes with two quants, the lower halves come first.
     *
     * @param bits of a quant, 4 or 8
     */
    public static int turn(int input, int bits) {
        return (input * Byte.SIZE + (input & Byte.SIZE - bits)) % Integer.SIZE;
    }

    /** How far one of the ints of folded quants that are held was turned to the left. */
    public static int foldTurn(int word) {
        return (FOLD - word) * (Byte.SIZE - FOLDED_BITS);
    }

    /** Bytes of the elements of some inputs. */
    int bytes(int inputs) {
        return inputs * bits / Byte.SIZE * WIDTH;
    }
}
