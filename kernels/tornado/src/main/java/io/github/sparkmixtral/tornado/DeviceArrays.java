package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.memory.AnonymousMemory;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * Makes the host's side of device arrays, zero-filled, out of private mappings of an empty file: a page takes memory only
 * once it is written, so that an array that lives on the device alone, such as the key/value cache, costs the host nothing, and
 * none counts against the JVM's limit for direct memory. Owns the memory; arrays must not be touched after {@link #close}.
 */
final class DeviceArrays implements AutoCloseable {

    /** Bytes before an array's elements, at most: those of a Java array's header. */
    static final int MOST_HEADER = 24;

    /** A multiple of every system's page. */
    private static final long PAGES = 64 << 10;

    private static final boolean LINUX = System.getProperty("os.name").equals("Linux");

    private final Arena arena = Arena.ofShared();
    private long bytes;

    IntArray ints(long elements) {
        return IntArray.fromSegmentShallow(map(elements));
    }

    FloatArray floats(long elements) {
        return FloatArray.fromSegmentShallow(map(elements));
    }

    /**
     * Gives memory of arrays back that the host does not need any more: what they hold on the host is zero or as it was from now on. Only
     * Linux takes it back.
     */
    static void release(Object... arrays) {
        if (!LINUX) {
            return;
        }
        for (Object array : arrays) {
            MemorySegment elements = ((TornadoNativeArray) array).getSegment();
            long start = Math.ceilDiv(elements.address(), PAGES) * PAGES;
            long end = (elements.address() + elements.byteSize()) / PAGES * PAGES;
            if (end > start) {
                AnonymousMemory.drop(elements.asSlice(start - elements.address(), end - start));
            }
        }
    }

    /** Bytes of all arrays made so far. */
    long bytes() {
        return bytes;
    }

    /** TornadoVM keeps a header in front of the elements and indexes them by int. */
    private MemorySegment map(long elements) {
        if (elements < 1 || elements > Integer.MAX_VALUE) {
            throw new ModelException("an array of " + elements
                    + " elements cannot be made for the device, whose arrays have 1 to " + Integer.MAX_VALUE);
        }
        long size = TornadoNativeArray.ARRAY_HEADER + elements * Float.BYTES;
        try {
            Path file = Files.createTempFile("spark-mixtral", ".device");
            try (FileChannel channel = FileChannel.open(
                    file, StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.DELETE_ON_CLOSE)) {
                bytes += size;
                return channel.map(MapMode.PRIVATE, 0, size, arena);
            }
        } catch (IOException e) {
            throw new ModelException(
                    "cannot map " + size + " bytes for the device in " + System.getProperty("java.io.tmpdir") + ": "
                            + e.getMessage(),
                    e);
        }
    }

    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
