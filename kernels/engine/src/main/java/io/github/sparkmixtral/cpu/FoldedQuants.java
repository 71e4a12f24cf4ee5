package io.github.sparkmixtral.cpu;

import static io.github.sparkmixtral.cpu.jit.PanelLayout.FOLD;

import io.github.sparkmixtral.cpu.jit.PanelLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Quants of 6 bits in 6 bits: those of sixteen neighbours in a row in three ints.
 *
 * <p>In bytes they are four ints, each quant at the top of its byte, with two bits free below. Only three of the ints are held: the first turned
 * to the left by six bits, the second by four, the third by two, so that the free bits of each lie where two bits of the fourth one's quants
 * are. They are set so that the exclusive or of the three is the fourth, whose two bits below each quant then mean nothing.
 *
 * <p>So kernels have three of four ints by a rotation, as they have others, and the fourth by one operation too, of all three.
 */
final class FoldedQuants {

    private static final int WIDTH = PackedMatrix.WIDTH;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Quants whose ints belong together. */
    private static final int TOGETHER = (FOLD + 1) * Integer.BYTES;

    /** How far a quant is below the top of its byte. */
    private static final int UP = Byte.SIZE - PanelLayout.FOLDED_BITS;

    /** The bits of an int that are no quants'. */
    private static final int FREE = 0x03030303;

    private FoldedQuants() {}

    /**
     * Folds an output's quants.
     *
     * @param quants four in an int; a multiple of four ints
     * @param words what becomes of them, {@code [.., WIDTH]}
     */
    static void fold(int[] quants, int[] words, int output) {
        for (int i = 0, at = output; i < quants.length; i += FOLD + 1, at += FOLD * WIDTH) {
            int first = Integer.rotateLeft(quants[i] << UP, PanelLayout.foldTurn(0));
            int second = Integer.rotateLeft(quants[i + 1] << UP, PanelLayout.foldTurn(1));
            int third = Integer.rotateLeft(quants[i + 2] << UP, PanelLayout.foldTurn(2));
            int missing = first ^ second ^ third ^ quants[i + FOLD] << UP;
            words[at] = first ^ missing & Integer.rotateLeft(FREE, PanelLayout.foldTurn(0));
            words[at + WIDTH] = second ^ missing & Integer.rotateLeft(FREE, PanelLayout.foldTurn(1));
            words[at + 2 * WIDTH] = third ^ missing & Integer.rotateLeft(FREE, PanelLayout.foldTurn(2));
        }
    }

    /**
     * Reads the quants of four neighbours for each output of a panel, as ints of bytes, each at the top of its byte with zeros below.
     *
     * @param at where the panel's quants begin
     * @param column the first of these inputs
     */
    static void unfold(MemorySegment panels, long at, int column, int[] quants) {
        long first = at + (long) (column / TOGETHER) * FOLD * WIDTH * Integer.BYTES;
        int which = column % TOGETHER / Integer.BYTES;
        for (int o = 0; o < WIDTH; o++) {
            int quant = 0;
            if (which < FOLD) {
                quant = Integer.rotateRight(word(panels, first, which, o), PanelLayout.foldTurn(which));
            } else {
                for (int i = 0; i < FOLD; i++) {
                    quant ^= word(panels, first, i, o);
                }
            }
            quants[o] = quant & ~FREE;
        }
    }

    private static int word(MemorySegment panels, long first, int word, int output) {
        return panels.get(INT, first + (word * WIDTH + output) * (long) Integer.BYTES);
    }
}
