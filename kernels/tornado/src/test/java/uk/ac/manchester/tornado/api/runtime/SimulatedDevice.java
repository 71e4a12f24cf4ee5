package uk.ac.manchester.tornado.api.runtime;

import uk.ac.manchester.tornado.api.TornadoTargetDevice;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;

/** A device that is the simulator. */
public record SimulatedDevice(int index) implements TornadoDevice, TornadoTargetDevice {

    private static final long MEMORY = 1L << 30;

    @Override
    public String getDeviceName() {
        return "simulator";
    }

    @Override
    public String getDescription() {
        return "simulator";
    }

    @Override
    public String getPlatformName() {
        return "simulator";
    }

    @Override
    public TornadoTargetDevice getPhysicalDevice() {
        return this;
    }

    @Override
    public TornadoDeviceType getDeviceType() {
        return TornadoDeviceType.CPU;
    }

    @Override
    public TornadoVMBackendType getTornadoVMBackend() {
        return TornadoVMBackendType.OPENCL;
    }

    @Override
    public int getBackendIndex() {
        return 0;
    }

    @Override
    public long getMaxAllocMemory() {
        return MEMORY;
    }

    @Override
    public long getMaxGlobalMemory() {
        return MEMORY;
    }

    @Override
    public long[] getDeviceMaxWorkgroupDimensions() {
        return new long[] {1024, 1024, 64};
    }

    @Override
    public long getDeviceGlobalMemorySize() {
        return MEMORY;
    }

    @Override
    public long getDeviceLocalMemorySize() {
        return 48 * 1024;
    }

    @Override
    public int getDeviceMaxComputeUnits() {
        return 1;
    }

    @Override
    public long getDeviceMaxAllocationSize() {
        return MEMORY;
    }

    @Override
    public String getDeviceInfo() {
        return "simulator";
    }
}
