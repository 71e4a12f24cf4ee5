package uk.ac.manchester.tornado.api.types.arrays;

import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.List;

/** An array outside the Java heap, with the header of a Java array in front so that a device addresses both alike. */
public abstract sealed class TornadoNativeArray permits IntArray, FloatArray {

    /** Bytes before the first element: those of a Java array's header in this JVM. */
    public static final long ARRAY_HEADER =
            Long.parseLong(System.getProperty("tornado.panama.objectHeader", headerOfThisJvm()));

    private static String headerOfThisJvm() {
        List<String> flags = ManagementFactory.getRuntimeMXBean().getInputArguments();
        boolean uncompressed =
                flags.contains("-XX:-UseCompressedOops") || flags.contains("-XX:-UseCompressedClassPointers");
        return uncompressed ? "24" : "16";
    }

    static void ensureMultipleOfElementSize(long byteSize, long elementSize) {
        if (byteSize % elementSize != 0) {
            throw new IllegalArgumentException(
                    byteSize + " bytes are not a whole number of elements of " + elementSize + " bytes");
        }
    }

    public abstract int getSize();

    public abstract int getElementSize();

    public abstract MemorySegment getSegment();

    public abstract MemorySegment getSegmentWithHeader();

    public abstract long getNumBytesOfSegment();

    public abstract long getNumBytesOfSegmentWithHeader();
}
