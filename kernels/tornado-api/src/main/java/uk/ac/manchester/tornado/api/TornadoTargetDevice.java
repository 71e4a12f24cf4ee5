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

    /** Text for people, of several lines. On CUDA one of them says the compute capability: {@code Device version   : CUDA 9.0}. */
    String getDeviceInfo();
}
