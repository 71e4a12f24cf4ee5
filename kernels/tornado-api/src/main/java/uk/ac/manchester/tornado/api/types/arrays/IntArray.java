package uk.ac.manchester.tornado.api.types.arrays;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/** Off-heap ints that a device reads and writes: a header of {@link #ARRAY_HEADER} bytes, then the elements. */
public final class IntArray extends TornadoNativeArray {

    private final MemorySegment segment;
    private final MemorySegment elements;
    private final int size;

    /** {@code numberOfElements} zeros. */
    public IntArray(int numberOfElements) {
        this(Arena.ofAuto().allocate(ARRAY_HEADER + (long) numberOfElements * Integer.BYTES, Integer.BYTES));
    }

    private IntArray(MemorySegment segment) {
        this.segment = segment;
        elements = segment.asSlice(ARRAY_HEADER);
        ensureMultipleOfElementSize(elements.byteSize(), Integer.BYTES);
        size = (int) (elements.byteSize() / Integer.BYTES);
        segment.set(JAVA_INT, 0, size);
    }

    public static IntArray fromArray(int[] values) {
        return fromSegment(MemorySegment.ofArray(values));
    }

    public static IntArray fromElements(int... values) {
        return fromArray(values);
    }

    /** A copy of the segment's elements. */
    public static IntArray fromSegment(MemorySegment segment) {
        ensureMultipleOfElementSize(segment.byteSize(), Integer.BYTES);
        IntArray array = new IntArray((int) (segment.byteSize() / Integer.BYTES));
        array.elements.copyFrom(segment);
        return array;
    }

    /** A view of a segment whose first {@link #ARRAY_HEADER} bytes are overwritten by the header. */
    public static IntArray fromSegmentShallow(MemorySegment segment) {
        return new IntArray(segment);
    }

    public int[] toHeapArray() {
        return elements.toArray(JAVA_INT);
    }

    public int get(int index) {
        return elements.getAtIndex(JAVA_INT, Objects.checkIndex(index, size));
    }

    public void set(int index, int value) {
        elements.setAtIndex(JAVA_INT, Objects.checkIndex(index, size), value);
    }

    /** Sets every element. */
    public void init(int value) {
        for (int i = 0; i < size; i++) {
            elements.setAtIndex(JAVA_INT, i, value);
        }
    }

    @Override
    public int getSize() {
        return size;
    }

    @Override
    public int getElementSize() {
        return Integer.BYTES;
    }

    /** The elements, without the header. */
    @Override
    public MemorySegment getSegment() {
        return elements;
    }

    @Override
    public MemorySegment getSegmentWithHeader() {
        return segment;
    }

    @Override
    public long getNumBytesOfSegment() {
        return elements.byteSize();
    }

    @Override
    public long getNumBytesOfSegmentWithHeader() {
        return segment.byteSize();
    }
}
