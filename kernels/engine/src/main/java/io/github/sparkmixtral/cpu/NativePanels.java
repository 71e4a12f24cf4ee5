package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.cpu.jit.IntegerLayout;
import io.github.sparkmixtral.cpu.jit.PanelKernel;
import io.github.sparkmixtral.cpu.jit.PanelLayout;
import io.github.sparkmixtral.cpu.jit.PanelLayout.Elements;
import io.github.sparkmixtral.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Supplier;

/**
 * The kernels in machine code for weights of one type with one number of inputs, as floats or as integers. Each is written when it is first asked
 * for.
 */
final class NativePanels {

    /** Most rows that {@link #sums} takes. */
    static final int DECODED_ROWS = PanelKernel.PLAIN_ROWS;

    /** Largest panel of which two, and a tile's rows, stay in the cache of a core. */
    private static final int CACHED = 256 << 10;

    private static final int MOST_PANELS = PanelKernel.panels(1);

    /** The levels of {@link TensorType#NF4}, divided by the power of two that multipliers have in them. */
    private static final MemorySegment LEVELS = levels();

    private static final Map<Shape, NativePanels> ALL = new ConcurrentHashMap<>();

    private record Shape(TensorType type, int columns, boolean integers) {}

    private final boolean integers;
    private final PanelLayout layout;
    private final PanelLayout decoded;
    private final int rowBytes;
    private final int mostRows;
    private final int panelBytes;
    private final boolean askForNext;
    private final AtomicReferenceArray<PanelKernel> products;
    private final AtomicReferenceArray<PanelKernel> last = new AtomicReferenceArray<>(PanelKernel.INTEGER_ROWS + 1);
    private final AtomicReferenceArray<PanelKernel> sums = new AtomicReferenceArray<>(PanelKernel.PLAIN_ROWS + 1);
    private final AtomicReferenceArray<PanelKernel> decoder = new AtomicReferenceArray<>(1);

    private NativePanels(PackedMatrix weights) {
        integers = weights.takesIntegers();
        layout = weights.layout();
        decoded = PanelLayout.plain(Elements.FLOATS, weights.columns());
        rowBytes =
                integers ? IntegerLayout.rowBytes(weights.columns()) : Matrix.stride(weights.columns()) * Float.BYTES;
        if (integers) {
            mostRows = PanelKernel.INTEGER_ROWS;
        } else {
            mostRows = weights.type().isQuantized() ? PanelKernel.QUANTIZED_ROWS : PanelKernel.PLAIN_ROWS;
        }
        panelBytes = Math.toIntExact(weights.panelBytes());
        askForNext = panelBytes <= CACHED;
        products = new AtomicReferenceArray<>(MOST_PANELS * (mostRows + 1));
    }

    static NativePanels of(PackedMatrix weights) {
        Shape shape = new Shape(weights.type(), weights.columns(), weights.takesIntegers());
        return ALL.computeIfAbsent(shape, _ -> new NativePanels(weights));
    }

    private static MemorySegment levels() {
        MemorySegment levels = Arena.global().allocate(16 * Float.BYTES, 64);
        for (int i = 0; i < 16; i++) {
            levels.setAtIndex(ValueLayout.JAVA_FLOAT, i, TensorType.NF4.level(i) / 16);
        }
        return levels;
    }

    /** Whether rows are integers. */
    boolean integers() {
        return integers;
    }

    /** Bytes from one row of inputs to the next. */
    int rowBytes() {
        return rowBytes;
    }

    /** Most rows that {@link #products} takes. */
    int mostRows() {
        return mostRows;
    }

    /** Inputs of a group, by which kernels count. */
    int group() {
        return layout.group();
    }

    /** Inputs of a group of decoded weights. */
    int decodedGroup() {
        return decoded.group();
    }

    /** See {@link PanelKernel#products}. */
    PanelKernel products(int panels, int rows) {
        return get(
                products,
                (panels - 1) * (mostRows + 1) + rows,
                () -> integers
                        ? PanelKernel.integerProducts(layout, panels, rows, panelBytes, rowBytes, false)
                        : PanelKernel.products(layout, panels, rows, panelBytes, rowBytes, LEVELS.address()));
    }

    /**
     * As {@link #products} of one panel and integers, for the last of several tiles: the panel is in the cache by then, so that memory would
     * have nothing to do if it were not asked for the next one.
     */
    PanelKernel lastProducts(int rows) {
        return get(last, rows, () -> PanelKernel.integerProducts(layout, 1, rows, panelBytes, rowBytes, askForNext));
    }

    /** Adds the products of some rows with weights that {@link #decoder} wrote. */
    PanelKernel sums(int rows) {
        return get(sums, rows, () -> PanelKernel.sums(decoded, rows, rowBytes, 0));
    }

    /** See {@link PanelKernel#decoder}. */
    PanelKernel decoder() {
        return get(decoder, 0, () -> PanelKernel.decoder(layout, LEVELS.address()));
    }

    /** Two threads may write the same kernel at once; the second one is lost. */
    private static PanelKernel get(
            AtomicReferenceArray<PanelKernel> kernels, int index, Supplier<PanelKernel> written) {
        PanelKernel kernel = kernels.getAcquire(index);
        if (kernel == null) {
            kernel = written.get();
            kernels.setRelease(index, kernel);
        }
        return kernel;
    }
}
