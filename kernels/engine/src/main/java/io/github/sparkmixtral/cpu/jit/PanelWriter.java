package io.github.sparkmixtral.cpu.jit;

/**
 * What kernels over panels of weights have in common: where a panel's parts lie, and the numbers that quants are multiplied by.
 *
 * <p>A kernel is {@code void(panel, in, input, out, firstGroup, groups)}, and reads and writes what {@link PanelKernel} says. It works on
 * some neighbouring panels at once.
 */
abstract class PanelWriter {

    /** Bytes of a vector. */
    static final int VECTOR = 64;

    /** Bytes of a panel's ints of quants, or floats, for the same inputs. */
    static final int ROW = PanelLayout.WIDTH * Float.BYTES;

    /** Bits below a float's exponent. */
    static final int FRACTION = 23;

    /**
     * How far ahead weights are asked for: about what arrives while that much is worked on. The processor's own prefetching ends at each page's end.
     */
    static final int AHEAD = 2048;

    private static final int LINE = 64;

    // What registers hold once arguments have been put in their places.
    static final Gpr HALVES = Gpr.RDI;
    static final Gpr IN = Gpr.RSI;
    static final Gpr OUT = Gpr.RDX;
    static final Gpr GROUPS = Gpr.R8;
    static final Gpr FACTORS = Gpr.R9;
    static final Gpr QUANTS = Gpr.R10;
    static final Gpr PARTS = Gpr.R11;
    static final Gpr WORDS = Gpr.RAX;
    private static final Gpr FIRST = Gpr.RCX;
    static final Gpr CONSTANT = Gpr.RCX;

    final Assembler assembler = new Assembler();
    final PanelLayout layout;
    private final int panels;
    private final int panelBytes;
    private int registers;

    /**
     * @param panels that are worked on at once
     * @param panelBytes from one to the next
     */
    PanelWriter(PanelLayout layout, int panels, int panelBytes) {
        this.layout = layout;
        this.panels = panels;
        this.panelBytes = panelBytes;
    }

    /** Takes registers for vectors that nothing else has. */
    final int[] take(int count) {
        int[] taken = new int[count];
        for (int i = 0; i < count; i++) {
            taken[i] = registers++;
        }
        if (registers > 32) {
            throw new IllegalArgumentException(
                    "there are not enough registers for so many rows and panels of " + layout);
        }
        return taken;
    }

    /** How many registers nobody has taken. */
    final int left() {
        return 32 - registers;
    }

    /** From the arguments, the panel's address and the first group's number among them, to where that group's parts lie. */
    final void addresses() {
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

    final void constant(int register, int bits) {
        assembler.moveInt(CONSTANT, bits);
        assembler.broadcastInt(register, CONSTANT);
    }

    final void constant(int register, float value) {
        constant(register, Float.floatToRawIntBits(value));
    }

    /** @param times fixed number of turns, or 0 if the counter holds it */
    final void loop(Gpr counter, int times, Runnable body) {
        if (times == 1) {
            body.run();
            return;
        }
        if (times > 0) {
            assembler.moveInt(counter, times);
        }
        assembler.loop(counter, body);
    }

    /**
     * What the quants of 16 outputs are multiplied by, times some power of two.
     *
     * @param which 16 outputs, of all panels
     * @param power register with that power, or -1 for 1
     */
    final void multiplier(int to, int which, int power, int temporary) {
        assembler.convertHalvesToFloats(to, at(HALVES, which, VECTOR / 2, 0));
        if (power >= 0) {
            assembler.multiply(to, to, power);
        }
        if (layout.factored()) {
            factor(temporary, at(FACTORS, which, VECTOR / 4, 0));
            assembler.multiply(to, to, temporary);
        }
    }

    /** What is added to the quants of 16 outputs then, if the type has minima: the minimum and a multiple of the multiplier. */
    final void minimum(int to, int which, int multiplier, int multiple, int temporary) {
        assembler.convertHalvesToFloats(to, at(HALVES, which, VECTOR / 2, layout.minimumHalves()));
        if (layout.factored()) {
            factor(temporary, at(FACTORS, which, VECTOR / 4, layout.minimumFactors() - layout.factors()));
            assembler.multiply(to, to, temporary);
            assembler.multiply(temporary, multiplier, multiple);
            assembler.subtract(to, temporary, to);
        } else {
            assembler.multiply(temporary, multiplier, multiple);
            assembler.add(to, temporary, to);
        }
    }

    private void factor(int to, Memory from) {
        assembler.extendBytesToInts(to, from);
        assembler.convertIntsToFloats(to, to);
    }

    /** What belongs to 16 outputs, the {@code which}-th such of the panels, some bytes past a pointer into the first one. */
    final Memory at(Gpr pointer, int which, int bytes, int past) {
        return new Memory(pointer, which / 2 * panelBytes + past + which % 2 * bytes);
    }

    /** Asks for the two lines of each panel that follow so many bytes after the present ones. */
    final void prefetch(int past) {
        for (int i = 0; i < 2 * panels; i++) {
            prefetch(at(QUANTS, i, LINE, past), AHEAD);
        }
    }

    /** Asks for the line that comes so many bytes later. */
    final void prefetch(Memory line, int ahead) {
        assembler.prefetch(line.plus(ahead));
    }
}
