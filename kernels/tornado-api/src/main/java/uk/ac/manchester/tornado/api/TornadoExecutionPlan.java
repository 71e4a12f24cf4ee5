package uk.ac.manchester.tornado.api;

import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.ProfilerMode;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;

/** Task graphs on a device. It needs the TornadoVM SDK, whose class stands in for this one where it is there. */
@SuppressWarnings("DoNotCallSuggester")
public class TornadoExecutionPlan implements AutoCloseable {

    public TornadoExecutionPlan(ImmutableTaskGraph... immutableTaskGraphs) {
        throw needsSdk();
    }

    public static TornadoDevice getDevice(int driverIndex, int deviceIndex) {
        throw needsSdk();
    }

    public TornadoExecutionPlan withGraph(int graphIndex) {
        throw needsSdk();
    }

    public TornadoExecutionPlan withAllGraphs() {
        throw needsSdk();
    }

    public TornadoExecutionPlan withGridScheduler(GridScheduler gridScheduler) {
        throw needsSdk();
    }

    public TornadoExecutionPlan withPreCompilation() {
        throw needsSdk();
    }

    public TornadoExecutionPlan withDevice(TornadoDevice device) {
        throw needsSdk();
    }

    public TornadoExecutionPlan withProfiler(ProfilerMode profilerMode) {
        throw needsSdk();
    }

    public TornadoExecutionPlan withoutProfiler() {
        throw needsSdk();
    }

    public TornadoExecutionPlan withCUDAGraph() {
        throw needsSdk();
    }

    public TornadoExecutionPlan withStagedTransfers() {
        throw needsSdk();
    }

    public TornadoExecutionPlan withCompilerFlags(TornadoVMBackendType backend, String compilerFlags) {
        throw needsSdk();
    }

    public TornadoExecutionResult execute() {
        throw needsSdk();
    }

    public TornadoExecutionPlan freeDeviceMemory() {
        throw needsSdk();
    }

    public long getCurrentDeviceMemoryUsage() {
        throw needsSdk();
    }

    @Override
    public void close() throws TornadoExecutionPlanException {
        throw needsSdk();
    }

    private static UnsupportedOperationException needsSdk() {
        return new UnsupportedOperationException("this needs the TornadoVM SDK: set TORNADOVM_HOME");
    }
}
