package uk.ac.manchester.tornado.api;

import io.github.sparkmixtral.tornado.Simulator;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.ProfilerMode;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;
import uk.ac.manchester.tornado.api.runtime.TornadoRuntimeProvider;

/**
 * Stands in for TornadoVM's class in tests without the SDK: the graphs run in the {@link Simulator}, on arrays that are
 * copies of the host's, as they are on a device. What TornadoVM would answer with rubbish or an error without a name is
 * an {@link IllegalStateException} here.
 */
public class TornadoExecutionPlan implements AutoCloseable {

    private final List<SimulatedGraph> graphs;
    private final Set<Class<?>> checkedKernels = new HashSet<>();
    private final Map<String, List<Object>> compiled = new HashMap<>();
    private List<SimulatedGraph> selected;
    private SimulatedGraph last;
    private GridScheduler grids = new GridScheduler();
    private Thread thread;
    private boolean closed;

    public TornadoExecutionPlan(ImmutableTaskGraph... immutableTaskGraphs) {
        graphs = Arrays.stream(immutableTaskGraphs)
                .map(graph -> new SimulatedGraph(graph, checkedKernels, compiled))
                .toList();
        selected = graphs;
    }

    public static TornadoDevice getDevice(int driverIndex, int deviceIndex) {
        return TornadoRuntimeProvider.getTornadoRuntime()
                .getBackend(driverIndex)
                .getDevice(deviceIndex);
    }

    /** Selects one graph for this and later executions, as TornadoVM does. */
    public TornadoExecutionPlan withGraph(int graphIndex) {
        selected = List.of(graphs.get(graphIndex));
        return this;
    }

    public TornadoExecutionPlan withAllGraphs() {
        selected = graphs;
        return this;
    }

    public TornadoExecutionPlan withGridScheduler(GridScheduler gridScheduler) {
        List<String> unknown = new ArrayList<>(gridScheduler.keySet());
        graphs.forEach(graph -> unknown.removeAll(graph.taskNames()));
        if (!unknown.isEmpty()) {
            throw new IllegalStateException("grids for tasks that no graph of the plan has: " + unknown);
        }
        grids = gridScheduler;
        return this;
    }

    public TornadoExecutionPlan withPreCompilation() {
        return this;
    }

    public TornadoExecutionPlan withDevice(TornadoDevice device) {
        return this;
    }

    public TornadoExecutionPlan withProfiler(ProfilerMode profilerMode) {
        return this;
    }

    public TornadoExecutionPlan withoutProfiler() {
        return this;
    }

    public TornadoExecutionPlan withCUDAGraph() {
        return this;
    }

    public TornadoExecutionPlan withStagedTransfers() {
        return this;
    }

    public TornadoExecutionPlan withCompilerFlags(TornadoVMBackendType backend, String compilerFlags) {
        return this;
    }

    public TornadoExecutionResult execute() {
        if (closed) {
            throw new IllegalStateException("the plan is closed");
        }
        if (thread != null && thread != Thread.currentThread()) {
            throw new IllegalStateException("the plan is executed by another thread than at first");
        }
        thread = Thread.currentThread();
        List<SimulatedGraph> executed = selected;
        executed.forEach(graph -> graph.execute(last, grids));
        last = executed.getLast();
        return new TornadoExecutionResult(
                new TornadoProfilerResult(arrays -> executed.forEach(graph -> graph.copyToHost(arrays))));
    }

    public TornadoExecutionPlan freeDeviceMemory() {
        selected.forEach(SimulatedGraph::free);
        return this;
    }

    public long getCurrentDeviceMemoryUsage() {
        return selected.stream().mapToLong(SimulatedGraph::bytes).sum();
    }

    @Override
    public void close() {
        graphs.forEach(SimulatedGraph::free);
        closed = true;
    }
}
