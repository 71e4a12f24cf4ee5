package uk.ac.manchester.tornado.api;

/** What one {@link TornadoExecutionPlan#execute} did. */
public class TornadoExecutionResult {

    private final TornadoProfilerResult profilerResult;

    TornadoExecutionResult(TornadoProfilerResult profilerResult) {
        this.profilerResult = profilerResult;
    }

    public TornadoProfilerResult getProfilerResult() {
        return profilerResult;
    }

    /** Copies arrays to the host that the graph named with {@code DataTransferMode.UNDER_DEMAND}. */
    public TornadoExecutionResult transferToHost(Object... objects) {
        profilerResult.transferToHost(objects);
        return this;
    }

    /** Copies part of such an array. */
    public TornadoExecutionResult transferToHost(DataRange dataRange) {
        profilerResult.transferToHost(dataRange);
        return this;
    }
}
