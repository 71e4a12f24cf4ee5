package io.github.sparkmixtral.job.cluster;

import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** A master and workers of Spark as processes on this machine, started from the jars that the build has resolved. */
final class StandaloneCluster implements AutoCloseable {
    /** The properties of every run. */
    static final Path DEFAULTS = Path.of("..", "conf", "spark-defaults.conf").toAbsolutePath();

    private static final Path TARGET = Path.of("target").toAbsolutePath();
    private static final Path JOB = TARGET.resolve("spark-mixtral.jar");
    private static final String LOOPBACK = "127.0.0.1";

    private final Path directory;
    private final Path home;
    private final String url;
    private final int masterUi;
    private final Process master;
    private final List<Map<String, String>> environments;
    private final List<Process> workers = new ArrayList<>();

    /** With one worker for each environment. Each has a host of its own: 127.0.0.1, 127.0.0.2 and so on. */
    @SafeVarargs
    StandaloneCluster(Path directory, Map<String, String>... environments) throws IOException, InterruptedException {
        this.directory = directory;
        this.environments = List.of(environments);
        this.home = sparkHome(directory);
        int port = freePort();
        this.masterUi = freePort();
        this.url = "spark://" + LOOPBACK + ":" + port;
        this.master = start(
                "master",
                Map.of(),
                "org.apache.spark.deploy.master.Master",
                "--host",
                LOOPBACK,
                "--port",
                Integer.toString(port),
                "--webui-port",
                Integer.toString(masterUi));
        for (int i = 0; i < environments.length; i++) {
            workers.add(startWorker(i));
        }
        awaitWorkers();
    }

    private Process startWorker(int index) throws IOException {
        String host = "127.0.0." + (index + 1);
        Map<String, String> environment = new HashMap<>(environments.get(index));
        environment.put("SPARK_LOCAL_IP", host);
        return start(
                "worker-" + index,
                environment,
                "org.apache.spark.deploy.worker.Worker",
                "--host",
                host,
                "-c",
                "1",
                "-m",
                "3g",
                "--webui-port",
                Integer.toString(freePort()),
                "-d",
                Files.createDirectories(directory.resolve("work-" + index)).toString(),
                url);
    }

    int workers() {
        return workers.size();
    }

    /** Kills a worker, whose executors are left alone, and starts another one in its place. */
    void restartWorker(int index) throws IOException, InterruptedException {
        workers.get(index).destroyForcibly().waitFor();
        workers.set(index, startWorker(index));
    }

    private static Path sparkHome(Path directory) throws IOException {
        Path home = directory.resolve("spark");
        Path jars = Files.createDirectories(home.resolve("jars"));
        for (String jar :
                Files.readString(TARGET.resolve("spark.classpath")).strip().split(":", -1)) {
            Path path = Path.of(jar);
            Files.createSymbolicLink(jars.resolve(path.getFileName()), path);
        }
        return home;
    }

    static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }

    static String java() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }

    private Process start(String name, Map<String, String> environment, String mainClass, String... arguments)
            throws IOException {
        List<String> command =
                new ArrayList<>(List.of(java(), "-Xmx512m", "-cp", home.resolve("jars") + "/*", mainClass));
        command.addAll(List.of(arguments));
        return process(command, environment)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(
                        directory.resolve(name + ".log").toFile()))
                .start();
    }

    private ProcessBuilder process(List<String> command, Map<String, String> environment) {
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("SPARK_HOME", home.toString());
        builder.environment().put("SPARK_SCALA_VERSION", "2.13");
        builder.environment().put("SPARK_LOCAL_IP", LOOPBACK);
        builder.environment().putAll(environment);
        return builder;
    }

    private void awaitWorkers() throws IOException, InterruptedException {
        HttpClient client = HttpClient.newHttpClient();
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://" + LOOPBACK + ":" + masterUi + "/json/"))
                .build();
        for (int i = 0; i < 600; i++) {
            try {
                String state = client.send(request, HttpResponse.BodyHandlers.ofString())
                        .body();
                if (state.split("\"state\" : \"ALIVE\"", -1).length - 1 >= workers.size()) {
                    return;
                }
            } catch (IOException notYet) {
                // The master is still starting.
            }
            TimeUnit.MILLISECONDS.sleep(100);
        }
        throw new IllegalStateException("the workers have not registered: see the logs in " + directory);
    }

    /** Starts a driver; its output goes to the file. */
    Process submit(Path log, Map<String, String> environment, List<String> properties, List<String> arguments)
            throws IOException {
        return submit(log, DEFAULTS, environment, properties, arguments);
    }

    /** What stands in the place of {@code spark-submit}, with the flags that it gives a driver's JVM. */
    private static List<String> sparkSubmit(Path home) {
        return new ArrayList<>(List.of(
                java(),
                "-Xmx1g",
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "--add-opens=java.base/java.nio=ALL-UNNAMED",
                "--add-opens=java.base/sun.util.calendar=ALL-UNNAMED",
                "--add-opens=java.base/java.lang=ALL-UNNAMED",
                "--add-opens=java.base/java.util=ALL-UNNAMED",
                "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
                "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
                "-cp",
                home.resolve("jars") + "/*",
                "org.apache.spark.deploy.SparkSubmit"));
    }

    /**
     * Runs {@code spark-submit} without a cluster.
     *
     * @param directory gets Spark's jars, if it has not got them
     * @param arguments of spark-submit
     * @return the exit code
     */
    static int submitLocally(Path directory, List<String> arguments, Path log)
            throws IOException, InterruptedException {
        Path home = Files.exists(directory.resolve("spark")) ? directory.resolve("spark") : sparkHome(directory);
        List<String> command = sparkSubmit(home);
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment()
                .putAll(Map.of(
                        "SPARK_HOME", home.toString(), "SPARK_SCALA_VERSION", "2.13", "SPARK_LOCAL_IP", LOOPBACK));
        return builder.redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start()
                .waitFor();
    }

    /** The same with another file of properties. */
    Process submit(
            Path log,
            Path propertiesFile,
            Map<String, String> environment,
            List<String> properties,
            List<String> arguments)
            throws IOException {
        List<String> job =
                new ArrayList<>(List.of("--class", "io.github.sparkmixtral.job.BatchInferenceJob", JOB.toString()));
        job.addAll(arguments);
        return submitAny(log, propertiesFile, environment, properties, job);
    }

    /** Starts a program that uses the job's classes. */
    Process submitProgram(Path log, Path jar, String mainClass, List<String> arguments) throws IOException {
        List<String> program = new ArrayList<>(List.of("--class", mainClass, jar.toString()));
        program.addAll(arguments);
        return submitAny(log, DEFAULTS, Map.of(), List.of("spark.jars=" + JOB), program);
    }

    /** @param program class, jar and arguments */
    private Process submitAny(
            Path log,
            Path propertiesFile,
            Map<String, String> environment,
            List<String> properties,
            List<String> program)
            throws IOException {
        List<String> command = sparkSubmit(home);
        command.addAll(List.of(
                "--master",
                url,
                "--properties-file",
                propertiesFile.toString(),
                "--conf",
                "spark.executor.memory=1g",
                "--conf",
                "spark.driver.bindAddress=" + LOOPBACK,
                "--conf",
                "spark.driver.host=" + LOOPBACK,
                "--conf",
                "spark.ui.enabled=false"));
        for (String property : properties) {
            command.addAll(List.of("--conf", property));
        }
        command.addAll(program);
        return process(command, environment)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
    }

    /** The processes of executors that run now. */
    List<ProcessHandle> executors() {
        return workers.stream()
                .flatMap(process -> process.toHandle().descendants())
                .filter(handle -> handle.info().commandLine().orElse("").contains("CoarseGrainedExecutorBackend"))
                .toList();
    }

    /** What all executors have written so far. */
    String executorLogs() throws IOException {
        StringBuilder logs = new StringBuilder();
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path log : files.filter(file -> file.endsWith("stderr") || file.endsWith("stdout"))
                    .toList()) {
                logs.append(Files.readString(log));
            }
        }
        return logs.toString();
    }

    @Override
    public void close() {
        for (Process process :
                Stream.concat(workers.stream(), Stream.of(master)).toList()) {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
    }
}
