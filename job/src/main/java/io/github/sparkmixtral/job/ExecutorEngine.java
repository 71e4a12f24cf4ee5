package io.github.sparkmixtral.job;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.service.CompletionService;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.apache.hadoop.conf.Configuration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one engine of this JVM: started by the first task that needs it, shared by all that run, reused by those that come later
 * or are tried again, closed with the JVM or at the job's end. A load that failed is not tried again: every task that asks gets
 * the same error.
 */
final class ExecutorEngine {
    private static final Logger LOG = LoggerFactory.getLogger(ExecutorEngine.class);
    private static EngineSettings currentSettings;
    private static CompletableFuture<ExecutorEngine> current;

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(ExecutorEngine::closeCurrent, "close-engine"));
    }

    private final Model model;
    private final CompletionService service;

    private ExecutorEngine(Model model, CompletionService service) {
        this.model = model;
        this.service = service;
    }

    /**
     * The engine with these settings; waits while it loads. One with other settings, left by an earlier job, is closed first.
     *
     * @param gpu address of the GPU that Spark has given to the task; empty where it has given none. The one of the first task
     *     counts: an executor has one engine, and an engine one GPU.
     * @throws ModelException where the model cannot be loaded here
     */
    static ExecutorEngine of(EngineSettings settings, Optional<String> gpu, Configuration configuration)
            throws InterruptedException {
        CompletableFuture<ExecutorEngine> engine;
        synchronized (ExecutorEngine.class) {
            if (!settings.equals(currentSettings)) {
                closeCurrent();
                currentSettings = settings;
                current = loading(settings, gpu, configuration);
            }
            engine = current;
        }
        try {
            return engine.get();
        } catch (ExecutionException e) {
            throw switch (e.getCause()) {
                case RuntimeException known -> known;
                case Throwable other ->
                    new ModelException("the engine did not start: " + RootCause.sentence(other), other);
            };
        }
    }

    /** Loads in a thread of its own, so that the kill of the task that came first does not break it off for the others. */
    private static CompletableFuture<ExecutorEngine> loading(
            EngineSettings settings, Optional<String> gpu, Configuration configuration) {
        CompletableFuture<ExecutorEngine> engine = new CompletableFuture<>();
        Thread loader = new Thread(
                () -> {
                    try {
                        engine.complete(load(settings, gpu, configuration));
                    } catch (Throwable t) {
                        engine.completeExceptionally(t);
                    }
                },
                "load-engine");
        loader.setDaemon(true);
        loader.setContextClassLoader(ExecutorEngine.class.getClassLoader());
        loader.start();
        return engine;
    }

    private static ExecutorEngine load(EngineSettings settings, Optional<String> gpu, Configuration configuration) {
        Model model = null;
        Backend backend = null;
        try {
            BackendOptions options =
                    settings.backendOptions(gpu.map(ExecutorEngine::device).orElse(BackendOptions.ANY_DEVICE));
            BackendProvider provider = Backends.find(settings.backend());
            Path path = new ModelCache(Path.of(settings.modelCache()), configuration, LOG::info)
                    .localPath(settings.model());
            model = ModelLoader.load(path, settings.quantization(), LOG::info);
            backend = provider.open(model, options);
            CompletionService service =
                    CompletionService.start(model.description(), backend, settings.serviceOptions());
            return new ExecutorEngine(model, service);
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

    /** Opens a session for one task. */
    CompletionService.Session open() {
        return service.open();
    }

    Model model() {
        return model;
    }

    /** Closes the engine, if there is one; one that still loads is closed when it has. No task may be using it. */
    static synchronized void closeCurrent() {
        if (current != null) {
            CompletableFuture<Void> _ = current.thenAccept(ExecutorEngine::close);
        }
        current = null;
        currentSettings = null;
    }

    private void close() {
        service.close();
        model.close();
    }
}
