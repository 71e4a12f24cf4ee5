package uk.ac.manchester.tornado.api;

import java.util.concurrent.atomic.AtomicLong;

/** Counts what simulated plans copy from the device. */
public final class Transfers {

    private static final AtomicLong TO_HOST = new AtomicLong();

    private Transfers() {}

    static void count(long bytes) {
        TO_HOST.addAndGet(bytes);
    }

    /** Bytes that all plans have copied so far. */
    public static long bytesToHost() {
        return TO_HOST.get();
    }
}
