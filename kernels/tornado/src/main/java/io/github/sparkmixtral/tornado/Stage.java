package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.engine.TopLogits;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import uk.ac.manchester.tornado.api.common.TornadoDevice;

/**
 * Consecutive layers on one device, and the one thread that opens, warms, runs and closes what is there: TornadoVM keeps queues and
 * contexts by thread. Work is done in the order in which it is given.
 */
final class Stage implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Stage.class);

    private final ExecutorService thread;
    private final DeviceArrays arrays = new DeviceArrays();
    private DecoderPlan plan;

    private Stage(LayerRange range) {
        thread = Executors.newSingleThreadExecutor(work -> {
            Thread worker = new Thread(work, "tornado-layer-" + range.from());
            worker.setDaemon(true);
            worker.setContextClassLoader(ClassLoader.getSystemClassLoader());
            return worker;
        });
    }

    /** Weights that do not do with fp16's range where tensor cores were to multiply them. */
    static final class UnfitWeightsException extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    /**
     * Packs and uploads the weights of some layers and compiles the kernels; holds nothing if that fails.
     *
     * @param range which layers
     * @param positions longest sequence
     * @param tensorCores whether matrix products run on them
     * @param received as in {@link DecoderPlan#layers}, for one token
     * @return the stage, and what it hands on of that token
     * @throws UnfitWeightsException if they cannot
     */
    static Opened open(
            Model model,
            LayerRange range,
            MemoryPlan memory,
            int positions,
            boolean tensorCores,
            TornadoDevice device,
            float[] received) {
        Stage stage = new Stage(range);
        try {
            return new Opened(
                    stage,
                    stage.run(() -> {
                                DeviceWeights weights = DeviceWeights.of(
                                        model.config(), model.weights(), range, positions, stage.arrays);
                                stage.plan = stage.plan(model.config(), weights, memory, tensorCores, device);
                                return stage.warmUp(weights, tensorCores, received);
                            })
                            .join());
        } catch (CompletionException e) {
            stage.close();
            throw unwrapped(e);
        }
    }

    /** @param residual what the first token's is after these layers; null after the last ones */
    record Opened(Stage stage, float[] residual) {}

    private DecoderPlan plan(
            ModelConfig config, DeviceWeights weights, MemoryPlan memory, boolean tensorCores, TornadoDevice device) {
        List<KeyValueCache> caches = Stream.generate(() -> KeyValueCache.of(config, memory.blocks(), arrays))
                .limit(weights.range().count())
                .toList();
        Workspace work = Workspace.of(config, memory.capacity(), arrays);
        return new DecoderPlan(config, weights, caches, memory.capacity(), tensorCores, work, device);
    }

    /** Runs one token, so that weights are uploaded and kernels compiled before the first row waits for it, or fails with it. */
    private float[] warmUp(DeviceWeights weights, boolean tensorCores, float[] received) {
        int[] zero = {0};
        int[] one = {0, 1};
        LayerRange range = weights.range();
        check(weights.packEnds(), tensorCores);
        float[] residual =
                plan.layers(new Batch(zero, zero, zero, one, zero, one, zero), received, new DecoderPlan.Watch() {
                    @Override
                    public void before(int from, int to) {
                        check(weights.pack(from, to), tensorCores);
                    }

                    @Override
                    public void after(int from, int to) {
                        weights.release(from, to);
                        LOG.info("uploaded {} of {} layers", range.from() + to, range.all());
                    }
                });
        if (range.isLast()) {
            plan.top(zero, 0, 1, new double[1], TopLogits.of(1, 1, 0), 0);
        }
        weights.releaseEnds();
        return residual;
    }

    private static void check(boolean fit, boolean tensorCores) {
        if (tensorCores && !fit) {
            throw new UnfitWeightsException();
        }
    }

    private <T> CompletableFuture<T> run(Supplier<T> work) {
        return CompletableFuture.supplyAsync(work, thread);
    }

    /**
     * Does some work with the plan after all that was given before, and after what it needs is there. If that failed, so does this.
     *
     * @param before what it needs
     */
    <T, R> CompletableFuture<R> after(CompletableFuture<T> before, PlanWork<T, R> work) {
        return run(() -> work.apply(plan, before.join()));
    }

    /** Work on a stage's thread. */
    interface PlanWork<T, R> {
        R apply(DecoderPlan plan, T input);
    }

    /** What a piece of work has failed with. */
    static RuntimeException unwrapped(CompletionException failure) {
        Throwable cause = failure;
        while (cause instanceof CompletionException && cause.getCause() != null) {
            cause = cause.getCause();
        }
        if (cause instanceof Error error) {
            throw error;
        }
        return cause instanceof RuntimeException exception ? exception : failure;
    }

    @Override
    public void close() {
        try {
            run(() -> {
                        if (plan != null) {
                            plan.close();
                        }
                        return null;
                    })
                    .join();
        } catch (CompletionException e) {
            throw unwrapped(e);
        } finally {
            thread.shutdown();
            arrays.close();
        }
    }
}
