package io.github.sparkmixtral.cpu;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;

/**
 * A fixed crew of daemon threads that works off numbered tasks together with the caller. Each begins with a run of neighbouring
 * tasks of its own, which for products with weights is a stream of memory of its own, and then helps the others out. Idle workers park: executors share
 * cores with others, and a worker that spins takes the core from the one that it waits for.
 *
 * <p>{@link #run} and {@link #close} belong to one thread at a time.
 */
final class WorkerPool implements AutoCloseable {

    /** A piece of work. */
    @FunctionalInterface
    interface Task {
        /**
         * Does one piece.
         *
         * @param worker who does it, in {@code [0, threads)}: the caller is 0. No two pieces have the same worker at a time.
         * @param index which piece
         */
        void run(int worker, int index);
    }

    /** Looks at the generation before a worker parks: some 20 microseconds, more than the gap between two products of a layer; waking up takes longer. */
    private static final int SPINS = 1000;

    private static final int APART = 32;

    private final Thread[] workers;

    /** The next task of each one's run; {@link #APART} entries apart, so that they do not share cache lines. */
    private final AtomicIntegerArray next;

    private final AtomicInteger working = new AtomicInteger();

    /** Written by the caller before {@link #generation}, whose volatile write publishes them. */
    private Task task;

    private int tasks;
    private Thread caller;

    private volatile int generation;
    private volatile boolean closed;
    private volatile Throwable failure;

    /**
     * Starts the crew.
     *
     * @param threads all who work, the caller among them
     */
    WorkerPool(String name, int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads must be at least 1, not " + threads);
        }
        workers = new Thread[threads - 1];
        next = new AtomicIntegerArray(threads * APART);
        for (int i = 0; i < workers.length; i++) {
            int worker = i + 1;
            workers[i] = Thread.ofPlatform().daemon().name(name + "-" + worker).start(() -> work(worker));
        }
    }

    /** All who work, the caller among them. */
    int threads() {
        return workers.length + 1;
    }

    /**
     * Runs the tasks {@code [0, tasks)}, each once, and returns when all are done. What a task throws stops the tasks not yet
     * begun and is thrown here.
     */
    void run(int tasks, Task task) {
        if (closed) {
            throw new IllegalStateException("the worker pool is closed");
        }
        if (tasks <= 1 || workers.length == 0) {
            for (int i = 0; i < tasks; i++) {
                task.run(0, i);
            }
            return;
        }
        this.task = task;
        this.tasks = tasks;
        caller = Thread.currentThread();
        failure = null;
        for (int worker = 0; worker < threads(); worker++) {
            next.setPlain(worker * APART, start(worker));
        }
        working.set(workers.length);
        generation++;
        for (Thread worker : workers) {
            LockSupport.unpark(worker);
        }
        drain(0);
        await();
        this.task = null;
        switch (failure) {
            case null -> {}
            case RuntimeException exception -> throw exception;
            case Error error -> throw error;
            case Throwable other -> throw new IllegalStateException(other);
        }
    }

    private void await() {
        boolean interrupted = false;
        int spins = SPINS;
        while (working.get() > 0) {
            if (spins-- > 0) {
                Thread.onSpinWait();
            } else {
                LockSupport.park(this);
                interrupted |= Thread.interrupted();
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void work(int worker) {
        int seen = 0;
        while (true) {
            int spins = SPINS;
            while (generation == seen && !closed) {
                if (spins-- > 0) {
                    Thread.onSpinWait();
                } else {
                    LockSupport.park(this);
                }
            }
            if (closed) {
                return;
            }
            seen = generation;
            Thread waiting = caller;
            drain(worker);
            if (working.decrementAndGet() == 0) {
                LockSupport.unpark(waiting);
            }
        }
    }

    /** First task of a worker's run, which ends where the next one's begins. */
    private int start(int worker) {
        return (int) ((long) tasks * worker / threads());
    }

    private void drain(int worker) {
        Task current = task;
        try {
            for (int turn = 0; turn < threads(); turn++) {
                int run = (worker + turn) % threads();
                int end = start(run + 1);
                for (int i = next.getAndIncrement(run * APART);
                        i < end && failure == null;
                        i = next.getAndIncrement(run * APART)) {
                    current.run(worker, i);
                }
            }
        } catch (Throwable thrown) {
            failure = thrown;
        }
    }

    /** Ends the crew and waits until its threads are gone. */
    @Override
    public void close() {
        closed = true;
        boolean interrupted = false;
        for (Thread worker : workers) {
            LockSupport.unpark(worker);
            while (worker.isAlive()) {
                try {
                    worker.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
