package io.github.sparkmixtral.tornado;

import java.lang.reflect.Array;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import jdk.internal.vm.Continuation;
import jdk.internal.vm.ContinuationScope;
import uk.ac.manchester.tornado.api.KernelContext;

/** The threads of one simulated work-group, one continuation each, and the local memory that they share. */
final class WorkGroup {

    /** What reading local memory before writing it gives: a number that no test expects. */
    private static final int POISON = 0xA5A5A5A5;

    /** Static shared memory of a CUDA work-group in bytes. */
    private static final int MAX_LOCAL_BYTES = 48 * 1024;

    private static final ContinuationScope SCOPE = new ContinuationScope("work-group");

    /** Threads that come to {@link #exchange} together. */
    static final int WARP = 32;

    private final SimulatedContext[] threads;
    private final int[] local;
    private final Simulator.Order order;
    private final Consumer<KernelContext> kernel;
    private final List<Object> localArrays = new ArrayList<>();

    /** What waiting threads have to give to their warp; null for a thread that does not wait for it. */
    private final Object[] given;

    private int localBytes;
    private String name = "";

    WorkGroup(int[] groups, int[] local, Simulator.Order order, Consumer<KernelContext> kernel) {
        this.local = local;
        this.order = order;
        this.kernel = kernel;
        threads = new SimulatedContext[local[0] * local[1] * local[2]];
        given = new Object[threads.length];
        Arrays.setAll(threads, i -> new SimulatedContext(this, i, groups, local));
    }

    /** Runs work-group (x, y, z) to its end. */
    void run(int x, int y, int z) {
        name = "work-group (" + x + ", " + y + ", " + z + ")";
        localArrays.clear();
        localBytes = 0;
        Continuation[] waiting = new Continuation[threads.length];
        Arrays.setAll(waiting, i -> new Continuation(SCOPE, () -> runThread(i, x, y, z)));
        int warps = Math.ceilDiv(threads.length, WARP);
        do {
            for (int i = 0; i < warps; i++) {
                runWarp(waiting, order == Simulator.Order.ASCENDING ? i : warps - 1 - i);
            }
        } while (!finished(waiting));
    }

    /** Runs a warp to its next barrier, whatever its threads exchange before: other warps may be far behind or ahead. */
    private void runWarp(Continuation[] waiting, int warp) {
        int first = warp * WARP;
        int end = Math.min(first + WARP, threads.length);
        boolean exchanges;
        do {
            Arrays.fill(given, first, end, null);
            for (int i = 0; i < end - first; i++) {
                waiting[order == Simulator.Order.ASCENDING ? first + i : end - 1 - i].run();
            }
            exchanges = given[first] != null;
            for (int i = first; i < end; i++) {
                if (given[i] != null != exchanges) {
                    throw new IllegalStateException(name + " diverges: " + thread(exchanges ? first : i)
                            + " waits for its warp, and " + thread(exchanges ? i : first) + " does not come");
                }
            }
            if (exchanges) {
                Object[] all = Arrays.copyOfRange(given, first, end);
                for (int i = first; i < end; i++) {
                    threads[i].receive(all);
                }
            }
        } while (exchanges);
    }

    private void runThread(int index, int x, int y, int z) {
        threads[index].enter(x, y, z);
        try {
            kernel.accept(threads[index]);
        } catch (RuntimeException e) {
            throw new IllegalStateException(thread(index) + " of " + name + ": " + e.getMessage(), e);
        }
    }

    /** Whether all threads have ended; the other good state is that none has. */
    private boolean finished(Continuation[] continuations) {
        boolean ended = continuations[0].isDone();
        for (int i = 1; i < continuations.length; i++) {
            if (continuations[i].isDone() != ended) {
                throw new IllegalStateException(name + " diverges: " + thread(ended ? i : 0)
                        + " waits at a barrier that " + thread(ended ? 0 : i) + " never comes to");
            }
        }
        return ended;
    }

    /** Called by a thread: stops it until all others of the work-group have stopped too. */
    void await() {
        Continuation.yield(SCOPE);
    }

    /** Called by a thread: stops it until all others of its warp have stopped here too; they then receive what each gave. */
    void exchange(int index, Object own) {
        given[index] = own;
        Continuation.yield(SCOPE);
    }

    /** The {@code ordinal}th local array of thread {@code index}, which is that of all threads. */
    Object localArray(int index, int ordinal, Class<?> type, int size) {
        if (ordinal == localArrays.size()) {
            localBytes = Math.addExact(localBytes, Math.multiplyExact(size, Float.BYTES));
            if (localBytes > MAX_LOCAL_BYTES) {
                throw new IllegalStateException("the kernel takes " + localBytes
                        + " bytes of local memory, and devices have " + MAX_LOCAL_BYTES);
            }
            localArrays.add(poisoned(type, size));
        }
        Object array = localArrays.get(ordinal);
        if (array.getClass().getComponentType() != type || Array.getLength(array) != size) {
            throw new IllegalStateException(name + " diverges: local array " + ordinal + " is " + type + "[" + size
                    + "] for " + thread(index) + " and " + array.getClass().getComponentType() + "["
                    + Array.getLength(array) + "] for the threads before");
        }
        return array;
    }

    private static Object poisoned(Class<?> type, int size) {
        if (type == int.class) {
            int[] array = new int[size];
            Arrays.fill(array, POISON);
            return array;
        }
        float[] array = new float[size];
        Arrays.fill(array, Float.NaN);
        return array;
    }

    private String thread(int index) {
        return "thread (" + index % local[0] + ", " + index / local[0] % local[1] + ", " + index / local[0] / local[1]
                + ")";
    }
}
