package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.fault.RedactedOutput;
import io.github.sparkmixtral.job.fault.RootCause;
import io.github.sparkmixtral.job.inference.ExecutorEngine;
import io.github.sparkmixtral.job.model.ModelCache;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.job.options.IndexOptions;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.ShowOptions;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;
import scala.Tuple2;

/** The command line: one job for one call. */
public final class Main {
    /** The launcher's variable with the descriptor of its standard error, which it has put a filter before. */
    private static final String STDERR = "SPARK_MIXTRAL_STDERR";

    private Main() {}

    /** Runs the job, and ends the JVM with its exit code. */
    public static void main(String[] arguments) {
        String stderr = System.getenv(STDERR);
        if (stderr != null) {
            Terminal.STANDARD_ERROR.leadTo(Integer.parseInt(stderr));
        }
        StopSignals.handle(Thread.currentThread());
        PrintStream err = StatusLine.install(System.getenv(), System.err);
        // The log goes there.
        System.setErr(RedactedOutput.to(err));
        System.exit(execute(arguments, System.out, err).value());
    }

    /** Runs the job. What goes wrong is the last line on {@code err}, in words. */
    public static ExitCode execute(String[] arguments, PrintStream out, PrintStream err) {
        boolean verbose = Arrays.asList(arguments).contains("--verbose");
        try {
            PrintWriter writer = new PrintWriter(out, true, StandardCharsets.UTF_8);
            if (arguments.length > 0 && arguments[0].equals(IndexCommand.NAME)) {
                String[] rest = Arrays.copyOfRange(arguments, 1, arguments.length);
                Optional<IndexOptions> index = OptionParser.parse(rest, IndexCommand::new, writer);
                if (index.isPresent()) {
                    verbose = index.get().verbose();
                    submit(index.get().engine(), verbose, spark -> new IndexJob(spark, index.get()).run());
                }
                return ExitCode.DONE;
            }
            if (arguments.length > 0 && arguments[0].equals(ShowCommand.NAME)) {
                String[] rest = Arrays.copyOfRange(arguments, 1, arguments.length);
                Optional<ShowOptions> show = OptionParser.parse(rest, ShowCommand::new, writer);
                if (show.isPresent()) {
                    Show.of(show.get(), writer).run();
                }
                return ExitCode.DONE;
            }
            Optional<LongContextCommand> figure = LongContextCommand.named(arguments);
            Optional<JobOptions> options =
                    figure.isPresent() ? figure.get().parse(arguments, writer) : OptionParser.parse(arguments, writer);
            if (options.isPresent()) {
                verbose = options.get().verbose();
                Job job = figure.isPresent()
                        ? spark -> figure.get().run(spark, options.get(), writer)
                        : spark -> new BatchJob(spark, options.get()).run();
                submit(Optional.of(options.get().generation().engine()), verbose, job);
            }
            return ExitCode.DONE;
        } catch (Throwable t) {
            JobException cause = StopSignals.reason(t).orElseGet(() -> RootCause.of(t));
            StatusLine.tellNothing();
            PrintStream redacted = RedactedOutput.to(err);
            if (verbose) {
                t.printStackTrace(redacted);
            }
            redacted.println("spark-mixtral: " + cause.getMessage());
            return cause.exitCode();
        }
    }

    /** What runs in a session. */
    private interface Job {
        void run(SparkSession spark) throws Exception;
    }

    private static void submit(Optional<EngineIdentity> engine, boolean verbose, Job job) throws Exception {
        ConsoleLog.configure(verbose);
        Optional<String> model = engine.map(EngineIdentity::model).filter(ModelCache::isLocal);
        if (model.isPresent()) {
            // Before Spark starts, which takes seconds.
            ModelCache.requireLocal(model.get());
        }
        try (Session session = Session.start(verbose)) {
            if (session.spark().sparkContext().isLocal()) {
                requireNoTaskResources(session.spark().sparkContext().getConf());
                engine.map(EngineIdentity::backend).ifPresent(Main::requireUsable);
            }
            job.run(session.spark());
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
