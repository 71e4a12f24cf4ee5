package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.tornado.Grids.Counts;
import java.util.List;
import java.util.function.Function;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.common.TaskPackage;

/**
 * A call of a kernel in a task graph.
 *
 * <p>TornadoVM compiles a kernel for each name of a task in a graph of that name, once in a plan. So graphs of one name share the code of
 * the calls that go by one name; those must be of the same kernel with the same scalars, while arrays may differ. Two exceptions
 * are TornadoVM's: the last call of a graph is compiled for each graph anew, and within a graph each call needs a name of its own.
 *
 * @param kernel with its name and arguments
 * @param grid how many work-groups it gets
 */
record KernelCall(TaskPackage kernel, Function<Counts, WorkerGrid> grid) {

    /** Bytes in which TornadoVM 5.2 notes the calls of one graph; there is no setting for it. */
    static final int GRAPH_BYTES = 8192;

    private static final int CALL_BYTES = 15;

    private static final int ARGUMENT_BYTES = 5;

    void addTo(TaskGraph graph, Grids grids) {
        graph.addTask(kernel);
        grids.add(graph.getTaskGraphName(), kernel.getId(), grid);
    }

    /** Of {@link #GRAPH_BYTES}, what these calls take. */
    static int bytes(List<KernelCall> calls) {
        return calls.stream().mapToInt(KernelCall::bytes).sum();
    }

    private int bytes() {
        int arguments = kernel.getTaskParameters().length - 1;
        return CALL_BYTES + ARGUMENT_BYTES * arguments;
    }
}
