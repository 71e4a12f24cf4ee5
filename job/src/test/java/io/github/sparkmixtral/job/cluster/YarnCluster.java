package io.github.sparkmixtral.job.cluster;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.yarn.api.records.ApplicationReport;
import org.apache.hadoop.yarn.client.api.YarnClient;
import org.apache.hadoop.yarn.conf.YarnConfiguration;

/** HDFS and YARN as a process on this machine, and what {@code conf/spark-yarn.conf} wants there. */
final class YarnCluster implements AutoCloseable {
    private static final Path TARGET = Path.of("target").toAbsolutePath();
    private static final Path CONF = Path.of("..", "conf").toAbsolutePath().normalize();
    private static final Path LAUNCHER = Path.of("bin", "spark-mixtral").toAbsolutePath();
    private static final Path SERVER =
            Path.of("src", "test", "hadoop", "HadoopCluster.java").toAbsolutePath();

    private final Path directory;
    private final Process process;
    private final FileSystem files;
    private final YarnClient yarn = YarnClient.createYarnClient();

    YarnCluster(Path directory) throws Exception {
        this.directory = directory;
        process = new ProcessBuilder(
                        StandaloneCluster.java(),
                        "-Xmx512m",
                        "-cp",
                        TARGET.resolve("hadoop") + "/*:" + sparkJars(),
                        SERVER.toString())
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("hadoop.log").toFile())
                .start();
        Path archives = Files.createDirectories(directory.resolve("archives"));
        packSpark(archives.resolve("spark.zip"));
        packJdk(archives.resolve("jdk.tar.gz"));
        await();
        Configuration conf = new YarnConfiguration();
        conf.addResource(
                new org.apache.hadoop.fs.Path(directory.resolve("yarn-site.xml").toUri()));
        files = FileSystem.newInstance(conf);
        yarn.init(conf);
        yarn.start();
        put(archives.resolve("spark.zip"), "/apps/spark-mixtral/spark.zip");
        put(archives.resolve("jdk.tar.gz"), "/apps/spark-mixtral/jdk.tar.gz");
    }

    private static String sparkJars() throws IOException {
        return Files.readString(TARGET.resolve("spark.classpath")).strip();
    }

    private static void packSpark(Path archive) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                StandaloneCluster.java().replaceFirst("java$", "jar"),
                "--create",
                "--no-compress",
                "--file",
                archive.toString()));
        for (String jar : sparkJars().split(":", -1)) {
            Path path = Path.of(jar);
            command.addAll(List.of(
                    "-C", path.getParent().toString(), path.getFileName().toString()));
        }
        pack(command);
    }

    /** The JDK of this test, without its sources. */
    private static void packJdk(Path archive) throws IOException, InterruptedException {
        pack(List.of(
                "tar",
                "-C",
                System.getProperty("java.home"),
                "--exclude=./lib/src.zip",
                "--use-compress-program=gzip -1",
                "-cf",
                archive.toString(),
                "."));
    }

    private static void pack(List<String> command) throws IOException, InterruptedException {
        int exitCode = new ProcessBuilder(command).inheritIO().start().waitFor();
        if (exitCode != 0) {
            throw new IllegalStateException(command.getFirst() + " has ended with " + exitCode);
        }
    }

    private void await() throws InterruptedException {
        for (int i = 0; i < 1200 && process.isAlive(); i++) {
            if (Files.exists(directory.resolve("core-site.xml"))) {
                return;
            }
            TimeUnit.MILLISECONDS.sleep(50);
        }
        throw new IllegalStateException("Hadoop has not started: see its log in " + directory);
    }

    FileSystem files() {
        return files;
    }

    void put(Path file, String to) throws IOException {
        files.copyFromLocalFile(new org.apache.hadoop.fs.Path(file.toUri()), new org.apache.hadoop.fs.Path(to));
    }

    /**
     * Starts the launcher as a user does, with {@code conf/spark-yarn.conf}; its output goes to the file.
     *
     * @param options of spark-submit besides
     */
    Process submit(Path log, List<String> options, List<String> arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                LAUNCHER.toString(),
                "--master",
                "yarn",
                "--properties-file",
                CONF.resolve("spark-yarn.conf").toString()));
        command.addAll(options);
        command.add("--");
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().keySet().removeAll(List.of("SPARK_HOME", "SPARK_CONF_DIR", "TORNADOVM_HOME"));
        builder.environment().put("HADOOP_CONF_DIR", directory.toString());
        return builder.redirectErrorStream(true).redirectOutput(log.toFile()).start();
    }

    /** The newest application, as YARN knows it. */
    ApplicationReport newest() throws Exception {
        return yarn.getApplications().stream()
                .max((one, other) -> one.getApplicationId().compareTo(other.getApplicationId()))
                .orElseThrow();
    }

    /** The JVMs of executors that run now. */
    List<ProcessHandle> executors() {
        return process.descendants().filter(YarnCluster::isExecutor).toList();
    }

    /** Not the shell that has started one. Its command line is longer than Java reads. */
    private static boolean isExecutor(ProcessHandle handle) {
        Path process = Path.of("/proc", Long.toString(handle.pid()));
        try {
            return Files.readString(process.resolve("cmdline"), StandardCharsets.ISO_8859_1)
                            .contains("YarnCoarseGrainedExecutorBackend")
                    && process.resolve("exe").toRealPath().endsWith("java");
        } catch (IOException ended) {
            return false;
        }
    }

    @Override
    public void close() throws IOException {
        yarn.close();
        files.close();
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }
}
