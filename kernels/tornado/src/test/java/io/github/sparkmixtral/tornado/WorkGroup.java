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

    private final SimulatedContext[] threads;
    private final int[] local;
    private final Simulator.Order order;
    private final Consumer<KernelContext> kernel;
    private final List<Object> localArrays = new ArrayList<>();
    private int localBytes;
    private String name = "";

    WorkGroup(int[] groups, int[] local, Simulator.Order order, Consumer<KernelContext> kernel) {
        this.local = local;
        this.order = order;
        this.kernel = kernel;
        threads = new SimulatedContext[local[0] * local[1] * local[2]];
        Arrays.setAll(threads, i -> new SimulatedContext(this, i, groups, local));
    }

    /** Runs work-group (x, y, z) to its end. */
    void run(int x, int y, int z) {
        name = "work-group (" + x + ", " + y + ", " + z + ")";
        localArrays.clear();
        localBytes = 0;
        Continuation[] waiting = new Continuation[threads.length];
        Arrays.setAll(waiting, i -> new Continuation(SCOPE, () -> runThread(i, x, y, z)));
        do {
            for (int i = 0; i < waiting.length; i++) {
                waiting[order == Simulator.Order.ASCENDING ? i : waiting.length - 1 - i].run();
            }
        } while (!finished(waiting));
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
