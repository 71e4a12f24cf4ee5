package uk.ac.manchester.tornado.api;

/** The hardware behind a device. */
public interface TornadoTargetDevice {

    String getDeviceName();

    /** Bytes. */
    long getDeviceGlobalMemorySize();

    /** Bytes. */
    long getDeviceLocalMemorySize();

    int getDeviceMaxComputeUnits();

    long getDeviceMaxAllocationSize();
}
