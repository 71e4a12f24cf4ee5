package uk.ac.manchester.tornado.api;

import java.util.concurrent.atomic.AtomicLong;

/**
 * What simulated plans have been made to do since the JVM started.
 *
 * @param executions graphs that were executed, each of which is a round trip to the device
 * @param compilations kernels that TornadoVM would have compiled
 * @param uploadedBytes bytes copied to devices
 */
public record SimulatedWork(long executions, long compilations, long uploadedBytes) {

    static final AtomicLong EXECUTIONS = new AtomicLong();
    static final AtomicLong COMPILATIONS = new AtomicLong();
    static final AtomicLong UPLOADED_BYTES = new AtomicLong();

    public static SimulatedWork soFar() {
        return new SimulatedWork(EXECUTIONS.get(), COMPILATIONS.get(), UPLOADED_BYTES.get());
    }

    public SimulatedWork since(SimulatedWork earlier) {
        return new SimulatedWork(
                executions - earlier.executions,
                compilations - earlier.compilations,
                uploadedBytes - earlier.uploadedBytes);
    }
}
