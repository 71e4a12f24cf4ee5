package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.cpu.HugePages;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.function.IntConsumer;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * What this machine can do at most, measured with the Vector API that the kernels are written in: how fast it reads memory, and
 * how many floating-point operations it does. A rented machine's limits change from minute to minute, so rounds of this are to be
 * run between the measurements that are held to it.
 */
final class Limits implements AutoCloseable {

    /** Medians of the rounds. */
    record Limit(int threads, Range bytesPerSecond, Range flopsPerSecond) implements Figure {

        @Override
        public String kind() {
            return "limit";
        }

        @Override
        public String line() {
            return "| " + threads + " | " + bytesPerSecond.line(1e9) + " | " + flopsPerSecond.line(1e9) + " |";
        }
    }

    static final String HEADER = """
            | threads | memory read, GB/s (range) | multiply-add of floats, GFLOP/s (range) |
            |---:|---:|---:|""";

    /** Far more than any cache holds. */
    private static final long BYTES = 1L << 29;

    /** Enough that starting threads does not count. */
    private static final int STEPS = 16_000_000;

    /** Each thread reads a whole number of these. */
    private static final long PAGE = 4096;

    private static final int WARM_UP = 4;
    private static final int ACCUMULATORS = 12;
    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;

    private final int steps;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory;
    private final SortedMap<Integer, List<Double>> readSeconds = new TreeMap<>();
    private final SortedMap<Integer, List<Double>> arithmeticSeconds = new TreeMap<>();
    private volatile float sink;

    /** Warms up until compiled code runs. */
    Limits(List<Integer> threadCounts) {
        this(threadCounts, BYTES, STEPS);
    }

    Limits(List<Integer> threadCounts, long bytes, int steps) {
        this.steps = steps;
        memory = HugePages.allocate(bytes, arena).fill((byte) 1);
        for (int threads : threadCounts) {
            readSeconds.put(threads, new ArrayList<>());
            arithmeticSeconds.put(threads, new ArrayList<>());
        }
        for (int i = 0; i < 2000; i++) {
            sink = read(0, 1 << 16) + multiplyAdd(1 << 12);
        }
        for (int i = 0; i < WARM_UP; i++) {
            round();
        }
        readSeconds.values().forEach(List::clear);
        arithmeticSeconds.values().forEach(List::clear);
    }

    /** Measures each limit once, which takes a tenth of a second for each number of threads. */
    void round() {
        readSeconds.forEach((threads, seconds) -> {
            long part = part(threads);
            seconds.add(together(threads, thread -> sink = read(thread * part, (thread + 1) * part)));
        });
        arithmeticSeconds.forEach((threads, seconds) -> seconds.add(together(threads, _ -> sink = multiplyAdd(steps))));
    }

    /** The medians so far, of each number of threads. */
    List<Limit> limits() {
        return readSeconds.keySet().stream().map(this::of).toList();
    }

    /** The medians so far, of one number of threads. */
    Limit of(int threads) {
        double bytes = (double) part(threads) * threads;
        double operations = 2.0 * FLOATS.length() * ACCUMULATORS * steps * threads;
        return new Limit(
                threads,
                Range.of(bytes, readSeconds.get(threads)),
                Range.of(operations, arithmeticSeconds.get(threads)));
    }

    /** Bytes that each of so many threads reads. */
    private long part(int threads) {
        return memory.byteSize() / threads / PAGE * PAGE;
    }

    /** Seconds from when all threads begin to when the last is done. */
    private static double together(int threads, IntConsumer work) {
        CountDownLatch ready = new CountDownLatch(threads);
        CountDownLatch go = new CountDownLatch(1);
        List<Thread> crew = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            int thread = i;
            crew.add(Thread.ofPlatform().daemon().start(() -> {
                ready.countDown();
                await(go);
                work.accept(thread);
            }));
        }
        await(ready);
        long start = System.nanoTime();
        go.countDown();
        crew.forEach(Limits::join);
        return (System.nanoTime() - start) / 1e9;
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException("interrupted while measuring", e);
        }
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new IllegalStateException("interrupted while measuring", e);
        }
    }

    private int read(long from, long to) {
        IntVector a = IntVector.zero(INTS);
        IntVector b = a;
        IntVector c = a;
        IntVector d = a;
        int step = INTS.vectorByteSize();
        for (long at = from; at < to; at += 4L * step) {
            a = a.add(IntVector.fromMemorySegment(INTS, memory, at, ByteOrder.nativeOrder()));
            b = b.add(IntVector.fromMemorySegment(INTS, memory, at + step, ByteOrder.nativeOrder()));
            c = c.add(IntVector.fromMemorySegment(INTS, memory, at + 2L * step, ByteOrder.nativeOrder()));
            d = d.add(IntVector.fromMemorySegment(INTS, memory, at + 3L * step, ByteOrder.nativeOrder()));
        }
        return a.add(b).add(c.add(d)).lane(0);
    }

    /** As many sums as hide the latency of a multiply-add, and no memory. They begin apart, so that none is taken for another. */
    private static float multiplyAdd(int steps) {
        FloatVector x = FloatVector.broadcast(FLOATS, 1e-4f);
        FloatVector a = FloatVector.zero(FLOATS);
        FloatVector b = a.add(1);
        FloatVector c = a.add(2);
        FloatVector d = a.add(3);
        FloatVector e = a.add(4);
        FloatVector f = a.add(5);
        FloatVector g = a.add(6);
        FloatVector h = a.add(7);
        FloatVector i = a.add(8);
        FloatVector j = a.add(9);
        FloatVector k = a.add(10);
        FloatVector l = a.add(11);
        for (int step = 0; step < steps; step++) {
            a = x.fma(x, a);
            b = x.fma(x, b);
            c = x.fma(x, c);
            d = x.fma(x, d);
            e = x.fma(x, e);
            f = x.fma(x, f);
            g = x.fma(x, g);
            h = x.fma(x, h);
            i = x.fma(x, i);
            j = x.fma(x, j);
            k = x.fma(x, k);
            l = x.fma(x, l);
        }
        return a.add(b)
                .add(c.add(d))
                .add(e.add(f))
                .add(g.add(h))
                .add(i.add(j))
                .add(k.add(l))
                .lane(0);
    }

    @Override
    public void close() {
        arena.close();
    }
}
