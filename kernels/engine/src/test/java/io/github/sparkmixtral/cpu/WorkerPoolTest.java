package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class WorkerPoolTest {

    @Test
    void runsEveryTaskOnce() {
        try (WorkerPool pool = new WorkerPool("once", 4)) {
            assertThat(pool.threads()).isEqualTo(4);
            for (int tasks : new int[] {0, 1, 2, 3, 4, 5, 1000}) {
                AtomicIntegerArray runs = new AtomicIntegerArray(tasks);
                pool.run(tasks, (worker, i) -> runs.incrementAndGet(i));
                for (int i = 0; i < tasks; i++) {
                    assertThat(runs.get(i)).isEqualTo(1);
                }
            }
        }
    }

    @Test
    void survivesManyShortRuns() {
        try (WorkerPool pool = new WorkerPool("short", 3)) {
            AtomicInteger sum = new AtomicInteger();
            for (int run = 0; run < 20_000; run++) {
                pool.run(3, (worker, i) -> sum.addAndGet(i));
            }
            assertThat(sum).hasValue(60_000);
        }
    }

    @Test
    void workersWorkAtTheSameTimeUnderTheirOwnNumbers() {
        try (WorkerPool pool = new WorkerPool("together", 3)) {
            CountDownLatch all = new CountDownLatch(3);
            AtomicIntegerArray tasksOf = new AtomicIntegerArray(3);
            pool.run(3, (worker, i) -> {
                tasksOf.incrementAndGet(worker);
                all.countDown();
                await(all);
            });
            for (int worker = 0; worker < 3; worker++) {
                assertThat(tasksOf.get(worker)).isEqualTo(1);
            }
        }
    }

    @Test
    void whatAWorkerThrowsReachesTheCallerAndTheNextRunIsUnharmed() {
        try (WorkerPool pool = new WorkerPool("throwing", 2)) {
            CountDownLatch both = new CountDownLatch(2);
            assertThatThrownBy(() -> pool.run(2, (worker, i) -> {
                        both.countDown();
                        await(both);
                        if (worker == 1) {
                            throw new ArithmeticException(
                                    "from " + Thread.currentThread().getName());
                        }
                    }))
                    .isInstanceOf(ArithmeticException.class)
                    .hasMessage("from throwing-1");
            assertThatThrownBy(() -> pool.run(50, (worker, i) -> {
                        throw new StackOverflowError("deep");
                    }))
                    .isInstanceOf(StackOverflowError.class);
            AtomicInteger runs = new AtomicInteger();
            pool.run(50, (worker, i) -> runs.incrementAndGet());
            assertThat(runs).hasValue(50);
        }
    }

    @Test
    void anInterruptedCallerFinishesAndStaysInterrupted() {
        try (WorkerPool pool = new WorkerPool("interrupted", 2)) {
            Thread.currentThread().interrupt();
            AtomicInteger runs = new AtomicInteger();
            pool.run(100, (worker, i) -> runs.incrementAndGet());
            assertThat(runs).hasValue(100);
            pool.run(2, (worker, i) -> {});
        }
        assertThat(Thread.interrupted()).isTrue();
    }

    @Test
    void closingLeavesNoThreadBehind() {
        WorkerPool pool = new WorkerPool("closing", 4);
        assertThat(threadsNamed("closing-")).isEqualTo(3);
        pool.run(10, (worker, i) -> {});
        pool.close();
        pool.close();
        assertThat(threadsNamed("closing-")).isZero();
        assertThatIllegalStateException()
                .isThrownBy(() -> pool.run(1, (worker, i) -> {}))
                .withMessage("the worker pool is closed");
    }

    @Test
    void oneThreadIsTheCallerAlone() {
        try (WorkerPool pool = new WorkerPool("single", 1)) {
            assertThat(threadsNamed("single-")).isZero();
            Thread caller = Thread.currentThread();
            pool.run(5, (worker, i) -> assertThat(Thread.currentThread()).isSameAs(caller));
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new WorkerPool("none", 0))
                .withMessage("threads must be at least 1, not 0");
    }

    private static long threadsNamed(String prefix) {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith(prefix))
                .peek(thread -> assertThat(thread.isDaemon()).isTrue())
                .count();
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
