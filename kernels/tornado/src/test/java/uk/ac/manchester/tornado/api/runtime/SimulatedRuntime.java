package uk.ac.manchester.tornado.api.runtime;

import java.util.List;
import uk.ac.manchester.tornado.api.TornadoBackend;
import uk.ac.manchester.tornado.api.TornadoRuntime;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;

/** One backend with two devices, both the simulator. It passes for OpenCL, so that the way is that of real devices. */
record SimulatedRuntime() implements TornadoRuntime, TornadoBackend {

    private static final List<TornadoDevice> DEVICES = List.of(new SimulatedDevice(0), new SimulatedDevice(1));

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
        return DEVICES.getFirst();
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
        return DEVICES.size();
    }

    @Override
    public TornadoDevice getDevice(int index) {
        return DEVICES.get(index);
    }

    @Override
    public List<TornadoDevice> getAllDevices() {
        return DEVICES;
    }
}
