package io.github.sparkmixtral.connect;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Processes that spark-submit starts, with the jars that the build has resolved and the properties of every run. */
final class SparkProcesses implements AutoCloseable {
    static final String LOOPBACK = "127.0.0.1";
    static final Path ROOT = Path.of("..", "..").toAbsolutePath().normalize();
    static final Path JOB_JAR = built("job/target/spark-mixtral.jar");

    private final Path directory;
    private final Path home;
    private final List<Process> processes = new ArrayList<>();

    SparkProcesses(Path directory) throws IOException {
        this.directory = directory;
        this.home = directory.resolve("spark");
        Path jars = Files.createDirectories(home.resolve("jars"));
        for (String jar :
                Files.readString(built("job/target/spark.classpath")).strip().split(":", -1)) {
            link(jars, Path.of(jar));
        }
        try (DirectoryStream<Path> connect = Files.newDirectoryStream(built("job/connect-it/target/server-jars"))) {
            for (Path jar : connect) {
                link(jars, jar);
            }
        }
        // A test that is stopped in the middle leaves no server behind.
        Runtime.getRuntime().addShutdownHook(new Thread(this::close));
    }

    private static Path built(String path) {
        Path file = ROOT.resolve(path);
        if (!Files.exists(file)) {
            throw new IllegalStateException(file + " is missing: build the job first, with ./mvnw package");
        }
        return file;
    }

    private static void link(Path jars, Path jar) throws IOException {
        Files.createSymbolicLink(jars.resolve(jar.getFileName()), jar);
    }

    Path log(String name) {
        return directory.resolve(name + ".log");
    }

    /** Starts a driver in local mode; its output goes to the log of that name. */
    Process submit(String name, List<String> properties, String mainClass, List<String> arguments)
            throws IOException, InterruptedException {
        List<String> words = new ArrayList<>(List.of(
                "org.apache.spark.deploy.SparkSubmit",
                "--master",
                "local[2]",
                "--properties-file",
                ROOT.resolve("conf/spark-defaults.conf").toString()));
        List<String> all = new ArrayList<>(List.of(
                "spark.ui.enabled=false",
                "spark.driver.bindAddress=" + LOOPBACK,
                "spark.driver.host=" + LOOPBACK,
                "spark.sql.warehouse.dir=" + directory.resolve("warehouse").toUri()));
        all.addAll(properties);
        for (String property : all) {
            words.addAll(List.of("--conf", property));
        }
        words.addAll(List.of("--class", mainClass, JOB_JAR.toString()));
        words.addAll(arguments);
        Process process = process(command(words))
                .redirectErrorStream(true)
                .redirectOutput(log(name).toFile())
                .start();
        processes.add(process);
        return process;
    }

    /** Spark's launcher turns spark-submit's words into the command of the driver's JVM, with the flags of the properties. */
    private List<String> command(List<String> words) throws IOException, InterruptedException {
        List<String> launcher = new ArrayList<>(
                List.of(java(), "-Xmx128m", "-cp", home.resolve("jars") + "/*", "org.apache.spark.launcher.Main"));
        launcher.addAll(words);
        Process process =
                process(launcher).redirectError(log("launcher").toFile()).start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IllegalStateException(Files.readString(log("launcher")));
        }
        // A line ends the launcher's messages; each word behind it ends with a NUL.
        return List.of(out.substring(out.indexOf('\n') + 1).split("\0"));
    }

    private ProcessBuilder process(List<String> command) {
        ProcessBuilder builder = new ProcessBuilder(command).directory(directory.toFile());
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().put("SPARK_HOME", home.toString());
        builder.environment().put("SPARK_SCALA_VERSION", "2.13");
        builder.environment().put("SPARK_LOCAL_IP", LOOPBACK);
        return builder;
    }

    private static String java() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }

    @Override
    public void close() {
        processes.forEach(Process::destroyForcibly);
    }
}
