package uk.ac.manchester.tornado.api.types.arrays;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/** Off-heap floats that a device reads and writes: a header of {@link #ARRAY_HEADER} bytes, then the elements. */
public final class FloatArray extends TornadoNativeArray {

    private final MemorySegment segment;
    private final MemorySegment elements;
    private final int size;

    /** {@code numberOfElements} zeros. */
    public FloatArray(int numberOfElements) {
        this(Arena.ofAuto().allocate(ARRAY_HEADER + (long) numberOfElements * Float.BYTES, Float.BYTES));
    }

    private FloatArray(MemorySegment segment) {
        this.segment = segment;
        elements = segment.asSlice(ARRAY_HEADER);
        ensureMultipleOfElementSize(elements.byteSize(), Float.BYTES);
        size = (int) (elements.byteSize() / Float.BYTES);
        segment.set(JAVA_INT, 0, size);
    }

    public static FloatArray fromArray(float[] values) {
        return fromSegment(MemorySegment.ofArray(values));
    }

    public static FloatArray fromElements(float... values) {
        return fromArray(values);
    }

    /** A copy of the segment's elements. */
    public static FloatArray fromSegment(MemorySegment segment) {
        ensureMultipleOfElementSize(segment.byteSize(), Float.BYTES);
        FloatArray array = new FloatArray((int) (segment.byteSize() / Float.BYTES));
        array.elements.copyFrom(segment);
        return array;
    }

    /** A view of a segment whose first {@link #ARRAY_HEADER} bytes are overwritten by the header. */
    public static FloatArray fromSegmentShallow(MemorySegment segment) {
        return new FloatArray(segment);
    }

    public float[] toHeapArray() {
        return elements.toArray(JAVA_FLOAT);
    }

    public float get(int index) {
        return elements.getAtIndex(JAVA_FLOAT, Objects.checkIndex(index, size));
    }

    public void set(int index, float value) {
        elements.setAtIndex(JAVA_FLOAT, Objects.checkIndex(index, size), value);
    }

    /** Sets every element. */
    public void init(float value) {
        for (int i = 0; i < size; i++) {
            elements.setAtIndex(JAVA_FLOAT, i, value);
        }
    }

    @Override
    public int getSize() {
        return size;
    }

    @Override
    public int getElementSize() {
        return Float.BYTES;
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
