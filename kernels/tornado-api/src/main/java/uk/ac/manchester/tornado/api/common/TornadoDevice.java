package uk.ac.manchester.tornado.api.common;

import uk.ac.manchester.tornado.api.TornadoTargetDevice;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;

/** A device that runs kernels. */
public interface TornadoDevice {

    String getDeviceName();

    String getDescription();

    String getPlatformName();

    TornadoTargetDevice getPhysicalDevice();

    TornadoDeviceType getDeviceType();

    TornadoVMBackendType getTornadoVMBackend();

    int getBackendIndex();

    /** The largest single allocation in bytes. */
    long getMaxAllocMemory();

    /** Global memory in bytes. */
    long getMaxGlobalMemory();

    /** Local memory of one work-group in bytes. */
    long getDeviceLocalMemorySize();

    long[] getDeviceMaxWorkgroupDimensions();
}
