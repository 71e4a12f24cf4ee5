package uk.ac.manchester.tornado.api.runtime;

import java.util.List;
import uk.ac.manchester.tornado.api.TornadoBackend;
import uk.ac.manchester.tornado.api.TornadoRuntime;
import uk.ac.manchester.tornado.api.TornadoTargetDevice;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;

/** One backend with one device: the simulator. It passes for OpenCL, so that the way is that of a real device. */
record SimulatedRuntime() implements TornadoRuntime, TornadoBackend, TornadoDevice, TornadoTargetDevice {

    private static final long MEMORY = 1L << 30;

    @Override
    public TornadoBackend getBackend(int index) {
        return this;
    }

    @Override
    public TornadoVMBackendType getBackendType(int index) {
        return TornadoVMBackendType.OPENCL;
    }

    @Override
    public int getNumBackends() {
        return 1;
    }

    @Override
    public TornadoDevice getDefaultDevice() {
        return this;
    }

    @Override
    public String getName() {
        return "simulator";
    }

    @Override
    public TornadoVMBackendType getBackendType() {
        return TornadoVMBackendType.OPENCL;
    }

    @Override
    public int getNumDevices() {
        return 1;
    }

    @Override
    public TornadoDevice getDevice(int index) {
        return this;
    }

    @Override
    public List<TornadoDevice> getAllDevices() {
        return List.of(this);
    }

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
