package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.fault.RootCause;
import io.github.sparkmixtral.job.inference.ExecutorEngine;
import io.github.sparkmixtral.job.model.ModelCache;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.job.options.IndexOptions;
import io.github.sparkmixtral.job.options.JobOptions;
import java.io.PrintWriter;
import java.util.List;
import java.util.Optional;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;
import scala.Tuple2;

/**
 * A call that runs in a session of Spark's.
 *
 * @param engine of the executors; empty if they need none
 */
record SparkCall(Optional<EngineIdentity> engine, boolean verbose, Work work) implements Subcommand.Call {

    /** What runs in the session. */
    interface Work {
        void run(SparkSession spark, PrintWriter out) throws Exception;
    }

    /** @param jobs that run one after the other */
    static SparkCall of(List<JobOptions> jobs) {
        return of(jobs.getFirst(), (spark, out) -> {
            for (JobOptions job : jobs) {
                new BatchJob(spark, job, out).run();
            }
        });
    }

    static SparkCall of(JobOptions options, Work work) {
        return new SparkCall(Optional.of(options.generation().engine()), options.verbose(), work);
    }

    static SparkCall of(IndexOptions options) {
        return new SparkCall(options.engine(), options.verbose(), (spark, _) -> new IndexJob(spark, options).run());
    }

    @Override
    public void run(PrintWriter out) throws Exception {
        ConsoleLog.configure(verbose);
        Optional<String> model = engine.map(EngineIdentity::model).filter(ModelCache::isLocal);
        if (model.isPresent()) {
            // Before Spark starts, which takes seconds.
            ModelCache.requireLocal(model.get());
        }
        try (Session session = Session.start(verbose)) {
            if (session.spark().sparkContext().isLocal()) {
                requireNoTaskResources(session.spark().sparkContext().getConf());
                engine.map(EngineIdentity::backend).ifPresent(SparkCall::requireUsable);
            }
            session.run(work, out);
        } finally {
            StatusLine.tellNothing();
            ExecutorEngine.closeIdle();
        }
    }

    /** Spark's session; one that was there before is left as it was. */
    private record Session(SparkSession spark, boolean own) implements AutoCloseable {
        static Session start(boolean verbose) {
            boolean own = SparkSession.getDefaultSession().isEmpty();
            StatusLine.tell("starting Spark");
            SparkConf conf = new SparkConf()
                    .setIfMissing("spark.master", "local[*]")
                    .setIfMissing("spark.app.name", "spark-mixtral")
                    .setIfMissing("spark.log.level", verbose ? "INFO" : "OFF");
            keepFromBadHosts(conf);
            if (StatusLine.ofProcess().isPresent() && conf.get("spark.master").startsWith("local")) {
                // Running tasks tell with it how far they are; in one process it costs next to nothing.
                conf.setIfMissing("spark.executor.heartbeatInterval", "1s");
            }
            SparkSession spark = SparkSession.builder().config(conf).getOrCreate();
            // Spark sets its own log up while it starts.
            ConsoleLog.configure(verbose);
            return new Session(spark, own);
        }

        /**
         * Lets a task that fails twice in an executor, or four times on a host, go elsewhere: Spark tries it first where a slot is
         * free, which is where it has just failed. A host that kills executors is not excluded for its other tasks.
         */
        private static void keepFromBadHosts(SparkConf conf) {
            String prefix = "spark.excludeOnFailure.";
            conf.setIfMissing("spark.task.maxFailures", "8")
                    .setIfMissing(prefix + "taskAndStage.enabled", "true")
                    .setIfMissing(prefix + "task.maxTaskAttemptsPerExecutor", "2")
                    .setIfMissing(prefix + "task.maxTaskAttemptsPerNode", "4")
                    .setIfMissing(prefix + "stage.maxFailedTasksPerExecutor", "1000000")
                    .setIfMissing(prefix + "stage.maxFailedExecutorsPerNode", "1000000")
                    .setIfMissing("spark.scheduler.excludeOnFailure.unschedulableTaskSetTimeout", "20s");
        }

        /** What fails ends the session with its exit code, by which YARN knows the application as failed. */
        void run(Work work, PrintWriter out) throws Exception {
            try {
                work.run(spark, out);
            } catch (Throwable t) {
                if (own) {
                    spark.sparkContext().stop(RootCause.of(t).exitCode().value());
                }
                throw t;
            }
        }

        @Override
        public void close() {
            if (own) {
                spark.stop();
            }
        }
    }

    /** Asks for the backend where the engine will run in this JVM; elsewhere it is for the executors to say. */
    private static void requireUsable(String backend) {
        try {
            if (!backend.equals(Backends.AUTO)) {
                BackendProvider _ = Backends.find(backend);
            }
        } catch (IllegalStateException e) {
            throw new JobException(ExitCode.MODEL_UNUSABLE, e.getMessage(), e);
        }
    }

    /** Local mode gives out no resources: tasks that want some would wait for ever. */
    private static void requireNoTaskResources(SparkConf conf) {
        String prefix = "spark.task.resource.";
        Tuple2<String, String>[] wanted = conf.getAllWithPrefix(prefix);
        if (wanted.length > 0) {
            throw JobException.usage(
                    prefix + wanted[0]._1() + " is set, but Spark gives out no GPUs in local mode: leave it out"
                            + " (conf/spark-gpu.conf is for clusters); the engine takes a GPU by itself");
        }
    }
}
