package uk.ac.manchester.tornado.api;

import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/** Part of an array to copy to the host: {@code size} elements from {@code offset} on. */
public class DataRange {

    private final TornadoNativeArray array;
    private long offset;
    private long size;

    public DataRange(TornadoNativeArray array) {
        this.array = array;
    }

    public DataRange withOffset(long offset) {
        this.offset = offset;
        return this;
    }

    public DataRange withSize(long size) {
        this.size = size;
        return this;
    }

    public long getOffset() {
        return TornadoNativeArray.ARRAY_HEADER + offset * array.getElementSize();
    }

    public long getPartialSize() {
        return size == 0 ? array.getNumBytesOfSegment() : size * array.getElementSize();
    }

    public TornadoNativeArray getArray() {
        return array;
    }
}
