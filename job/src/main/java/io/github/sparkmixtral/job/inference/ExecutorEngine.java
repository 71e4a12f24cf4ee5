package io.github.sparkmixtral.job.inference;

import io.github.sparkmixtral.agent.AgentTool;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.job.fault.RootCause;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.memory.MemoryLimit;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.service.CompletionService;
import io.github.sparkmixtral.service.Counters;
import io.github.sparkmixtral.service.RequestDefaults;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.hadoop.conf.Configuration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engine of this JVM: loaded by the first task that needs it, shared by all that run, kept for those that come later. A task
 * holds a {@link Lease} on it. Another model's engine takes its place when nobody holds one on it any more; if somebody does, as
 * where one query asks two models, both are there. A load that failed, or an engine that has died, is not kept: it is loaded anew as
 * {@link EngineFailures} allows.
 */
public final class ExecutorEngine {
    private static final Logger LOG = LoggerFactory.getLogger(ExecutorEngine.class);
    private static final Map<EngineIdentity, ExecutorEngine> ENGINES = new HashMap<>();

    /** What engines that are closed have done. */
    private static final long[] CLOSED = new long[EngineMetric.values().length];

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(ExecutorEngine::closeAll, "close-engine"));
    }

    private final EngineIdentity identity;
    private final CompletableFuture<Loaded> loading = new CompletableFuture<>();
    private int leases;
    private boolean failureCounted;

    /** What {@link Lease#newExpertTokens} has told. */
    private long[][] expertTokens = {};

    /** Neither another load nor another executor of the job would fit. */
    private volatile boolean beyondLimit;

    private record Loaded(Model model, CompletionService service) {
        void close() {
            service.close();
            model.close();
            synchronized (ENGINES) {
                EngineMetric.add(service.counters(), true, CLOSED);
            }
        }
    }

    private ExecutorEngine(EngineIdentity identity) {
        this.identity = identity;
    }

    /** The right to use an engine until it is closed. */
    public final class Lease implements AutoCloseable {
        private final Loaded loaded;
        private boolean closed;

        private Lease(Loaded loaded) {
            this.loaded = loaded;
        }

        /**
         * Opens a session.
         *
         * @param tools that an agent has beside its own
         * @throws IllegalArgumentException where the defaults do not fit the model, saying which
         */
        public CompletionService.Session open(RequestDefaults defaults, List<AgentTool> tools) {
            return loaded.service().open(defaults, tools);
        }

        public Model model() {
            return loaded.model();
        }

        /** What the engine has done and does. */
        public Counters counters() {
            return loaded.service().counters();
        }

        /** Longest sequence, prompt and answer together, in tokens. */
        public int maxModelLength() {
            return loaded.service().maxModelLength();
        }

        /** {@code [layers, experts]} how many tokens each expert has had since anybody asked last; empty if that is not counted. */
        long[][] newExpertTokens() {
            synchronized (ENGINES) {
                long[][] before = expertTokens;
                expertTokens = loaded.service().expertTokens();
                return ExpertTokens.since(before, expertTokens);
            }
        }

        /** Says that the engine has answered rows, so that earlier failures count no more. */
        public void answered() {
            EngineFailures.forget(identity);
        }

        @Override
        public void close() {
            if (!closed) {
                closed = true;
                release();
            }
        }
    }

    /**
     * A lease on the engine of that identity; waits while it loads. Engines of other identities that nobody uses are closed first,
     * for they take the memory that this one needs. In an executor, a load that fails is tried again after a pause; one that fails
     * too often ends the executor, so that Spark goes elsewhere.
     *
     * @param gpus addresses of the GPUs that Spark has given to the executor; empty where it has given none. Those that the first
     *     task hands over count: an executor has one engine, which uses them all.
     * @throws ModelException where the model cannot be loaded here
     */
    public static Lease lease(EngineIdentity identity, List<String> gpus, Configuration configuration)
            throws InterruptedException {
        while (true) {
            EngineFailures.awaitExit();
            ExecutorEngine engine = current(identity, gpus, configuration);
            boolean leased = false;
            try {
                Lease lease = engine.new Lease(engine.loading.get());
                leased = true;
                return lease;
            } catch (ExecutionException e) {
                RuntimeException failure = switch (e.getCause()) {
                    case RuntimeException known -> known;
                    case Throwable other ->
                        new ModelException("the engine did not start: " + RootCause.sentence(other), other);
                };
                engine.countFailure(failure);
                if (engine.beyondLimit || !EngineFailures.mayReload(identity)) {
                    throw failure;
                }
            } finally {
                if (!leased) {
                    engine.release();
                }
            }
        }
    }

    /** The engine of that identity, which may still be loading, with a lease counted. */
    private static ExecutorEngine current(EngineIdentity identity, List<String> gpus, Configuration configuration) {
        synchronized (ENGINES) {
            ExecutorEngine engine = ENGINES.get(identity);
            if (engine == null || engine.hasDied()) {
                if (engine != null) {
                    engine.countFailure(new ModelException("the engine has died (on " + host() + ")"));
                }
                closeIdle();
                engine = new ExecutorEngine(identity);
                ENGINES.put(identity, engine);
                engine.startLoading(gpus, configuration, EngineFailures.pause(identity));
            }
            engine.leases++;
            return engine;
        }
    }

    private void countFailure(RuntimeException failure) {
        synchronized (ENGINES) {
            if (!failureCounted && !beyondLimit) {
                failureCounted = true;
                boolean alone = ENGINES.values().stream().allMatch(engine -> engine == this || engine.leases == 0);
                EngineFailures.count(identity, failure, alone);
            }
        }
    }

    /** Whether nothing can be asked of it any more. */
    private boolean hasDied() {
        return loading.isCompletedExceptionally()
                || loading.isDone() && loading.resultNow().service().hasFailed();
    }

    private void release() {
        synchronized (ENGINES) {
            leases--;
            if (leases == 0 && (hasDied() || ENGINES.get(identity) != this)) {
                ENGINES.remove(identity, this);
                closeWhenLoaded();
            }
        }
    }

    /**
     * What the engines of this JVM do together, and what they and those that are closed have done, by the places of
     * {@link EngineMetric}.
     */
    public static long[] metrics() {
        synchronized (ENGINES) {
            long[] sums = CLOSED.clone();
            for (ExecutorEngine engine : ENGINES.values()) {
                if (engine.isLoaded()) {
                    EngineMetric.add(engine.loading.resultNow().service().counters(), false, sums);
                }
            }
            return sums;
        }
    }

    private boolean isLoaded() {
        return loading.state() == Future.State.SUCCESS;
    }

    /** Closes the engines that no task uses. */
    public static void closeIdle() {
        synchronized (ENGINES) {
            ENGINES.values().removeIf(engine -> {
                boolean idle = engine.leases == 0;
                if (idle) {
                    engine.closeWhenLoaded();
                }
                return idle;
            });
        }
    }

    /** Closes this engine, unless a task uses it. */
    public static void closeIdle(EngineIdentity identity) {
        synchronized (ENGINES) {
            ExecutorEngine engine = ENGINES.get(identity);
            if (engine != null && engine.leases == 0) {
                ENGINES.remove(identity);
                engine.closeWhenLoaded();
            }
        }
    }

    private static void closeAll() {
        synchronized (ENGINES) {
            ENGINES.values().forEach(ExecutorEngine::closeWhenLoaded);
            ENGINES.clear();
        }
    }

    private void closeWhenLoaded() {
        CompletableFuture<Void> _ = loading.thenAccept(Loaded::close);
    }

    /** Loads in a thread of its own, so that the kill of the task that came first does not break it off for the others. */
    private void startLoading(List<String> gpus, Configuration configuration, Duration pause) {
        Thread loader = new Thread(
                () -> {
                    try {
                        Thread.sleep(pause);
                        loading.complete(load(identity, gpus, configuration, limit()));
                    } catch (Throwable t) {
                        loading.completeExceptionally(t);
                    }
                },
                "load-engine");
        loader.setDaemon(true);
        loader.setContextClassLoader(ExecutorEngine.class.getClassLoader());
        loader.start();
    }

    /** The executor's limit, which remembers that the model needs more. */
    private MemoryLimit limit() {
        MemoryLimit limit = ExecutorMemory.limit();
        return new MemoryLimit(limit.bytes(), needed -> {
            beyondLimit = true;
            return limit.refusal().apply(needed);
        });
    }

    private static Loaded load(
            EngineIdentity identity, List<String> gpus, Configuration configuration, MemoryLimit limit) {
        Model model = null;
        Backend backend = null;
        try {
            List<Integer> devices = gpus.stream().map(ExecutorEngine::device).toList();
            BackendOptions options = identity.backendOptions(devices, limit);
            BackendProvider provider = Backends.find(identity.backend());
            Path path = identity.models(configuration, LOG::info).localPath(identity.model());
            model = ModelLoader.load(path, identity.quantization(), LOG::info);
            backend = provider.open(model, options);
            return new Loaded(model, CompletionService.start(model.description(), backend, identity.serviceOptions()));
        } catch (Throwable t) {
            if (backend != null) {
                backend.close();
            }
            if (model != null) {
                model.close();
            }
            throw onThisHost(t);
        }
    }

    private static int device(String gpu) {
        if (!gpu.matches("\\d{1,4}")) {
            throw new IllegalArgumentException("Spark has given this executor the GPU '" + gpu
                    + "', but the engine knows GPUs by their index (0, 1, ...), as conf/getGpusResources.sh finds them; use it"
                    + " as the discovery script");
        }
        return Integer.parseInt(gpu);
    }

    private static RuntimeException onThisHost(Throwable t) {
        String message = t instanceof ModelException
                        || t instanceof IllegalArgumentException
                        || t instanceof IllegalStateException
                ? t.getMessage()
                : "the engine did not start: " + RootCause.sentence(t);
        return new ModelException(message + " (on " + host() + ")", t);
    }

    private static String host() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            return "an unnamed host";
        }
    }
}
