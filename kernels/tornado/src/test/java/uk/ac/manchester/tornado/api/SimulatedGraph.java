package uk.ac.manchester.tornado.api;

import io.github.sparkmixtral.tornado.Simulator;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import uk.ac.manchester.tornado.api.TaskGraph.Step;
import uk.ac.manchester.tornado.api.common.TornadoFunctions;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * A task graph with its device memory. Each graph has buffers of its own; a graph takes those that it consumes from the
 * graph that was executed just before it, and only from that one, which is TornadoVM's rule. Memory that nothing was
 * copied to holds rubbish. Arrays are told apart by identity. One thing is kinder here than there: TornadoVM does not
 * upload an array that the graph's first kernel to take it only writes, so what no kernel writes of it is rubbish.
 */
final class SimulatedGraph {

    /** What unwritten device memory holds: as a float NaN, as an int a number that is no sensible index. */
    private static final int POISON = 0xFFA5A5A5;

    private final String name;
    private final List<Step.Kernel> kernels;
    private final IdentityHashMap<TornadoNativeArray, Integer> toDevice = new IdentityHashMap<>();
    private final IdentityHashMap<TornadoNativeArray, Integer> toHost = new IdentityHashMap<>();
    private final Map<String, Set<TornadoNativeArray>> consumed = new HashMap<>();
    private final IdentityHashMap<TornadoNativeArray, TornadoNativeArray> buffers = new IdentityHashMap<>();
    private final Set<Class<?>> checkedKernels;
    private final Map<String, List<Object>> compiled;
    private boolean executed;

    /**
     * @param checkedKernels those that have been run in both orders; new ones are added
     * @param compiled names of tasks that the plan has compiled; new ones are added
     */
    SimulatedGraph(ImmutableTaskGraph graph, Set<Class<?>> checkedKernels, Map<String, List<Object>> compiled) {
        this.checkedKernels = checkedKernels;
        this.compiled = compiled;
        name = graph.name();
        for (Step step : graph.steps()) {
            switch (step) {
                case Step.Kernel _ -> {}
                case Step.ToDevice(int mode, List<Object> objects) ->
                    arrays(objects).forEach(array -> toDevice.put(array, mode));
                case Step.ToHost(int mode, List<Object> objects) ->
                    arrays(objects).forEach(array -> toHost.put(array, mode));
                case Step.Persist(List<Object> objects) ->
                    arrays(objects).forEach(array -> toHost.putIfAbsent(array, DataTransferMode.UNDER_DEMAND));
                case Step.Consume(String source, List<Object> objects) ->
                    arrays(objects).forEach(consumed.computeIfAbsent(source, _ -> identitySet())::add);
            }
        }
        kernels = graph.steps().stream()
                .filter(Step.Kernel.class::isInstance)
                .map(Step.Kernel.class::cast)
                .toList();
        Set<String> names = new HashSet<>();
        for (Step.Kernel kernel : kernels) {
            if (!names.add(kernel.id())) {
                throw new IllegalStateException("graph " + name + " has two tasks of the name " + kernel.id());
            }
        }
        int bytes = kernels.stream()
                .mapToInt(kernel -> 15 + 5 * kernel.arguments().size())
                .sum();
        if (bytes > 8192) {
            throw new IllegalStateException(
                    "graph " + name + " takes " + bytes + " bytes of the 8192 in which TornadoVM notes a graph");
        }
    }

    private static Set<TornadoNativeArray> identitySet() {
        return Collections.newSetFromMap(new IdentityHashMap<>());
    }

    private static Stream<TornadoNativeArray> arrays(Collection<Object> objects) {
        return objects.stream().filter(TornadoNativeArray.class::isInstance).map(TornadoNativeArray.class::cast);
    }

    List<String> taskNames() {
        return kernels.stream().map(kernel -> name + "." + kernel.id()).toList();
    }

    /** Device memory in bytes. */
    long bytes() {
        return buffers.values().stream()
                .mapToLong(TornadoNativeArray::getNumBytesOfSegmentWithHeader)
                .sum();
    }

    void free() {
        buffers.clear();
    }

    /** One execution; {@code last} is the graph that was executed before, null for none. */
    void execute(SimulatedGraph last, GridScheduler grids) {
        SimulatedWork.EXECUTIONS.incrementAndGet();
        compile();
        consume(last);
        Set<TornadoNativeArray> used = identitySet();
        for (Step.Kernel kernel : kernels) {
            arrays(kernel.arguments()).forEach(used::add);
        }
        used.forEach(this::copyToDevice);
        kernels.forEach(kernel -> run(kernel, grids));
        toHost.forEach((array, mode) -> {
            if (mode != DataTransferMode.UNDER_DEMAND) {
                if (!used.contains(array)) {
                    throw new IllegalStateException(
                            "graph " + name + " copies " + text(array) + " to the host, which none of its tasks uses");
                }
                copyToHost(array);
            }
        });
    }

    /**
     * Counts kernels that are not compiled yet. TornadoVM goes by a task's name within the plan, and compiles the last name of a graph
     * in any case.
     */
    private void compile() {
        if (executed) {
            return;
        }
        executed = true;
        Set<String> names = new LinkedHashSet<>();
        for (Step.Kernel kernel : kernels) {
            names.add(name + "." + kernel.id());
        }
        Set<String> compiling = new HashSet<>(names);
        compiling.removeAll(compiled.keySet());
        names.stream().reduce((_, next) -> next).ifPresent(compiling::add);
        SimulatedWork.COMPILATIONS.addAndGet(compiling.size());
        for (Step.Kernel kernel : kernels) {
            String task = name + "." + kernel.id();
            if (!compiled.computeIfAbsent(task, _ -> code(kernel)).equals(code(kernel))) {
                throw new IllegalStateException("task " + task
                        + " is there again with another kernel or other scalars, and TornadoVM would run the first");
            }
        }
    }

    /** What the compiled code depends on: the kernel and its scalars. */
    private static List<Object> code(Step.Kernel kernel) {
        return Stream.concat(
                        Stream.of(kernel.code().getClass()),
                        kernel.arguments().stream().filter(argument -> argument instanceof Number))
                .toList();
    }

    private void consume(SimulatedGraph last) {
        if (consumed.isEmpty()) {
            return;
        }
        if (last == null) {
            throw new IllegalStateException("graph " + name + " consumes from " + consumed.keySet()
                    + ", and no graph of the plan was executed before it");
        }
        // Graphs that are not named hand over too: TornadoVM looks for the arrays in whichever graph was last.
        Stream<TornadoNativeArray> arrays = consumed.containsKey(last.name)
                ? consumed.get(last.name).stream()
                : consumed.values().stream().flatMap(Set::stream);
        arrays.forEach(array -> {
            TornadoNativeArray buffer = last.buffers.get(array);
            if (buffer == null) {
                throw new IllegalStateException("graph " + name + " consumes " + text(array) + ", which graph "
                        + last.name + ", executed before it, does not have on the device");
            }
            buffers.put(array, buffer);
        });
    }

    private void copyToDevice(TornadoNativeArray array) {
        boolean isConsumed = consumed.values().stream().anyMatch(arrays -> arrays.contains(array));
        Integer mode = toDevice.get(array);
        if (!isConsumed && mode == null && !toHost.containsKey(array)) {
            throw new IllegalStateException("a task of graph " + name + " uses " + text(array)
                    + ", which the graph neither transfers, persists nor consumes");
        }
        boolean first = !buffers.containsKey(array);
        if (first && isConsumed) {
            throw new IllegalStateException("graph " + name + " has never been executed after the graph of "
                    + consumed.keySet() + " that it consumes " + text(array) + " from");
        }
        if (first) {
            buffers.put(array, poisoned(array));
        }
        boolean copies = mode != null
                && switch (mode) {
                    case DataTransferMode.EVERY_EXECUTION -> true;
                    case DataTransferMode.FIRST_EXECUTION -> first;
                    default -> false;
                };
        if (copies) {
            buffers.get(array).getSegment().copyFrom(array.getSegment());
            SimulatedWork.UPLOADED_BYTES.addAndGet(array.getNumBytesOfSegment());
        }
    }

    /** Copies what the device has of these arrays, or ranges of arrays, over the host's. */
    void copyToHost(Object... objects) {
        for (Object object : objects) {
            if (object instanceof DataRange range) {
                long from = range.getOffset() - TornadoNativeArray.ARRAY_HEADER;
                copyToHost(range.getArray(), from, range.getPartialSize());
            } else if (object instanceof TornadoNativeArray array) {
                copyToHost(array, 0, array.getNumBytesOfSegment());
            }
        }
    }

    private void copyToHost(TornadoNativeArray array, long from, long bytes) {
        if (!buffers.containsKey(array)) {
            throw new IllegalStateException("graph " + name + " does not have " + text(array) + " on the device");
        }
        if (from + bytes > array.getNumBytesOfSegment()) {
            throw new IllegalStateException("graph " + name + " copies " + bytes + " bytes from byte " + from + " of "
                    + text(array) + " to the host, which are not there");
        }
        MemorySegment.copy(buffers.get(array).getSegment(), from, array.getSegment(), from, bytes);
        Transfers.count(bytes);
    }

    private void run(Step.Kernel kernel, GridScheduler grids) {
        String task = name + "." + kernel.id();
        WorkerGrid grid = grids.get(task);
        if (grid == null) {
            throw new IllegalStateException("no grid for task " + task);
        }
        Object[] arguments = kernel.arguments().stream()
                .map(argument -> argument instanceof TornadoNativeArray array ? buffers.get(array) : argument)
                .toArray();
        if (!(arguments[0] instanceof KernelContext)) {
            throw new IllegalStateException("the first argument of task " + task + " is not a KernelContext");
        }
        try {
            if (checkedKernels.add(kernel.code().getClass())) {
                runInBothOrders(grid, kernel.code(), arguments);
            } else {
                run(grid, Simulator.Order.ASCENDING, kernel.code(), arguments);
            }
        } catch (IllegalStateException e) {
            throw new IllegalStateException("task " + task + ": " + e.getMessage(), e);
        }
    }

    /** Finds races: what threads leave behind must not depend on which of them runs first. */
    private static void runInBothOrders(WorkerGrid grid, Object code, Object[] arguments) {
        List<MemorySegment> arrays = arrays(Arrays.asList(arguments))
                .map(TornadoNativeArray::getSegment)
                .toList();
        List<int[]> before = contents(arrays);
        run(grid, Simulator.Order.DESCENDING, code, arguments);
        List<int[]> descending = contents(arrays);
        for (int i = 0; i < arrays.size(); i++) {
            arrays.get(i).copyFrom(MemorySegment.ofArray(before.get(i)));
        }
        run(grid, Simulator.Order.ASCENDING, code, arguments);
        List<int[]> ascending = contents(arrays);
        for (int i = 0; i < arrays.size(); i++) {
            int element = Arrays.mismatch(ascending.get(i), descending.get(i));
            if (element >= 0) {
                throw new IllegalStateException("threads race: element " + element + " of the task's array " + i
                        + " (counted from 0 without scalars) depends on the order in which they run");
            }
        }
    }

    private static List<int[]> contents(List<MemorySegment> arrays) {
        return arrays.stream().map(array -> array.toArray(ValueLayout.JAVA_INT)).toList();
    }

    private static void run(WorkerGrid grid, Simulator.Order order, Object code, Object[] arguments) {
        MethodHandle apply = apply(code, arguments.length);
        Simulator.run(grid, order, context -> {
            Object[] own = arguments.clone();
            own[0] = context;
            try {
                apply.invokeExact(own);
            } catch (RuntimeException | Error e) {
                throw e;
            } catch (Throwable e) {
                throw new IllegalStateException(e);
            }
        });
    }

    private static MethodHandle apply(Object code, int arguments) {
        try {
            Class<?> shape = Class.forName(TornadoFunctions.class.getName() + "$Task" + arguments);
            MethodHandle apply = MethodHandles.publicLookup()
                    .unreflect(Arrays.stream(shape.getMethods())
                            .filter(method -> method.getName().equals("apply"))
                            .findFirst()
                            .orElseThrow());
            return apply.bindTo(code).asSpreader(Object[].class, arguments);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    private static TornadoNativeArray poisoned(TornadoNativeArray array) {
        return switch (array) {
            case IntArray ints -> {
                IntArray copy = new IntArray(ints.getSize());
                copy.init(POISON);
                yield copy;
            }
            case FloatArray floats -> {
                FloatArray copy = new FloatArray(floats.getSize());
                copy.init(Float.intBitsToFloat(POISON));
                yield copy;
            }
        };
    }

    private static String text(TornadoNativeArray array) {
        return array.getClass().getSimpleName() + "[" + array.getSize() + "]";
    }
}
