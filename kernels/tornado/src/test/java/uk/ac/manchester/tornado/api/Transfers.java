package uk.ac.manchester.tornado.api;

/** Counts what simulated plans copy from the device. */
public final class Transfers {

    private static final ThreadLocal<Long> TO_HOST = ThreadLocal.withInitial(() -> 0L);

    private Transfers() {}

    static void count(long bytes) {
        TO_HOST.set(TO_HOST.get() + bytes);
    }

    /** Bytes that the plans which this thread runs have copied so far. */
    public static long bytesToHost() {
        return TO_HOST.get();
    }
}
