package io.github.sparkmixtral.metrics;

import io.github.sparkmixtral.job.inference.ExecutorEngine;
import io.github.sparkmixtral.metrics.EngineMetrics.Report;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.spark.SparkContext;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Puts the engines' numbers into Spark's metrics, for {@code spark.plugins}. Each executor has those of its own engine, called {@code
 * engine.…}, for sinks that run in executors. It also tells the driver, where they are called {@code executor_ID.…}, and added up {@code
 * all.…}: so that who asks the driver over HTTP sees all of them. An executor that has no engine, or not yet, has zeros.
 */
public final class MixtralMetrics implements SparkPlugin {
    private static final Logger LOG = LoggerFactory.getLogger(MixtralMetrics.class);
    private static final int SECONDS = 5;

    @Override
    public DriverPlugin driverPlugin() {
        return new Driver();
    }

    @Override
    public ExecutorPlugin executorPlugin() {
        return new Executor();
    }

    /** What executors tell the driver: of Java's own types, which every class loader finds. */
    private static Object[] message(String executor, Report report) {
        return new Object[] {
            executor, report.values(), report.promptTokensPerSecond(), report.generatedTokensPerSecond()
        };
    }

    private static final class Driver implements DriverPlugin {
        private final Map<String, Report> byExecutor = new HashMap<>();
        private PluginContext context;

        @Override
        public Map<String, String> init(SparkContext spark, PluginContext given) {
            context = given;
            spark.addSparkListener(new SparkListener() {
                @Override
                public void onExecutorRemoved(SparkListenerExecutorRemoved removed) {
                    forgetMoment(removed.executorId());
                }
            });
            return Map.of();
        }

        @Override
        public void registerMetrics(String application, PluginContext given) {
            EngineMetrics.register(given.metricRegistry(), "all.", this::all);
        }

        /** An executor that is gone does nothing any more; what it has done stays. */
        private synchronized void forgetMoment(String executor) {
            byExecutor.computeIfPresent(executor, (_, report) -> report.ended());
        }

        private synchronized Report all() {
            return byExecutor.values().stream().reduce(Report.NOTHING, Report::plus);
        }

        private synchronized Report of(String executor) {
            return byExecutor.get(executor);
        }

        @Override
        public synchronized Object receive(Object message) {
            Object[] told = (Object[]) message;
            String executor = (String) told[0];
            Report report = new Report((long[]) told[1], (Double) told[2], (Double) told[3]);
            if (byExecutor.put(executor, report) == null) {
                EngineMetrics.register(context.metricRegistry(), "executor_" + executor + ".", () -> of(executor));
            }
            return null;
        }
    }

    private static final class Executor implements ExecutorPlugin {
        private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(task ->
                Thread.ofPlatform().daemon().name("spark-mixtral-metrics").unstarted(task));
        private PluginContext context;
        private Report last = Report.NOTHING;
        private long lastTime;

        @Override
        public void init(PluginContext given, Map<String, String> extraConf) {
            context = given;
            last = new Report(ExecutorEngine.metrics(), 0, 0);
            lastTime = System.nanoTime();
            EngineMetrics.register(given.metricRegistry(), "engine.", this::now);
            clock.scheduleAtFixedRate(this::tell, SECONDS, SECONDS, TimeUnit.SECONDS);
        }

        /** With the rates of the last interval, so that nobody who looks often sees those of moments. */
        private synchronized Report now() {
            return new Report(ExecutorEngine.metrics(), last.promptTokensPerSecond(), last.generatedTokensPerSecond());
        }

        private synchronized void measure() {
            long time = System.nanoTime();
            last = Report.since(last, ExecutorEngine.metrics(), (time - lastTime) / 1e9);
            lastTime = time;
        }

        private void tell() {
            measure();
            send();
        }

        private void send() {
            try {
                context.send(message(context.executorID(), now()));
            } catch (Exception e) {
                // A driver that is gone, or does not answer, has no use for it; the next time may do better.
                LOG.debug("The driver was not told of the engine's metrics", e);
            }
        }

        /** The counts of a job are whole when its last task has ended. */
        @Override
        public void onTaskSucceeded() {
            clock.execute(this::send);
        }

        @Override
        public void shutdown() {
            clock.shutdownNow();
        }
    }
}
