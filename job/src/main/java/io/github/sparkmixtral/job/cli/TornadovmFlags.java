package io.github.sparkmixtral.job.cli;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The JVM flags with which TornadoVM compiles kernels, as the lines of an argument file. Only the modules that compile kernels
 * are listed: the SDK's other jars get in the way of Spark's logging. {@code bin/tornadovm-flags} runs this file by itself,
 * without a build: it stands on the JDK alone.
 */
public final class TornadovmFlags {
    private static final List<String> DRIVERS = List.of("cuda", "opencl", "ptx");

    private final Path sdk;

    private TornadovmFlags(Path sdk) {
        this.sdk = sdk;
    }

    /** What is wrong with an SDK, in a sentence that says what to do. */
    static final class UnusableSdkException extends Exception {
        private static final long serialVersionUID = 1;

        private UnusableSdkException(String message) {
            super(message);
        }
    }

    /** Prints the flags for the SDK in {@code TORNADOVM_HOME}. */
    public static void main(String[] arguments) throws IOException {
        try {
            System.out.print(String.join("\n", lines(System.getenv())) + "\n");
        } catch (UnusableSdkException e) {
            System.err.println("tornadovm-flags: " + e.getMessage());
            System.exit(1);
        }
    }

    /** The flags for the SDK in {@code TORNADOVM_HOME}. */
    static List<String> lines(Map<String, String> environment) throws IOException, UnusableSdkException {
        String home = environment.getOrDefault("TORNADOVM_HOME", "");
        if (home.isEmpty()) {
            throw new UnusableSdkException("TORNADOVM_HOME is not set: set it to an unpacked TornadoVM SDK for JDK 25,"
                    + " from https://www.tornadovm.org");
        }
        if (!Files.isDirectory(Path.of(home))) {
            throw new UnusableSdkException(
                    "TORNADOVM_HOME=" + home + " is no directory: set it to an unpacked TornadoVM SDK");
        }
        return new TornadovmFlags(Path.of(home).toAbsolutePath().normalize()).lines();
    }

    private List<String> lines() throws IOException, UnusableSdkException {
        String api = required("tornado", "tornado-api").getFileName().toString();
        if (!api.contains("-jdk25")) {
            throw new UnusableSdkException("TORNADOVM_HOME=" + sdk + " is for another JDK (" + api
                    + "): take an SDK for JDK 25, such as 5.2.0-jdk25");
        }
        List<String> drivers = new ArrayList<>();
        for (String driver : DRIVERS) {
            if (jar("tornado", "tornado-drivers-" + driver).isPresent()) {
                drivers.add(driver);
            }
        }
        if (drivers.isEmpty()) {
            throw new UnusableSdkException(
                    "TORNADOVM_HOME=" + sdk + " has a driver for none of CUDA, OpenCL and PTX: take an SDK with one");
        }
        String driverModules =
                drivers.stream().map(driver -> "tornado.drivers." + driver).collect(Collectors.joining(","));
        List<String> modules = new ArrayList<>(
                List.of("tornado-api", "tornado-runtime", "tornado-annotation", "tornado-drivers-common"));
        drivers.forEach(driver -> modules.add("tornado-drivers-" + driver));
        modules.addAll(List.of("asm", "commons-math3", "snmp4j"));

        List<String> lines = new ArrayList<>();
        lines.add("-XX:+UnlockExperimentalVMOptions");
        lines.add("-XX:+EnableJVMCI");
        lines.add(quoted("-Djava.library.path=" + sdk.resolve("lib")));
        lines.add(quoted("--module-path=" + path("tornado", modules)));
        lines.add(quoted("--upgrade-module-path="
                + path("graalJars", List.of("compiler", "truffle-compiler", "collections", "word"))));
        lines.add("--add-modules=" + driverModules + ",tornado.annotation");
        lines.add("--enable-native-access=" + driverModules);
        lines.add("-Dtornado.load.api.implementation=uk.ac.manchester.tornado.runtime.tasks.TornadoTaskGraph");
        lines.add("-Dtornado.load.runtime.implementation=uk.ac.manchester.tornado.runtime.TornadoCoreRuntime");
        lines.add("-Dtornado.load.tornado.implementation=uk.ac.manchester.tornado.runtime.common.Tornado");
        lines.add("-Dtornado.load.annotation.implementation=uk.ac.manchester.tornado.annotation.ASMClassVisitor");
        // Without this a kernel that cannot be compiled runs as plain Java on one thread, and answers with rubbish.
        lines.add("-Dtornado.recover.bailout=False");
        // Without TornadoVM's own -cl-fast-relaxed-math, under which NaN and infinity are undefined.
        lines.add("\"-Dtornado.opencl.compiler.flags=-cl-mad-enable -w\"");
        // On CUDA, uploads pass through a small buffer; else all of the weights' memory on the host would be pinned.
        lines.add("-Dtornado.staged.transfers=true");
        lines.addAll(exports(drivers));
        return lines;
    }

    /** The flags that the SDK itself lists, for all of it and for each driver. */
    private List<String> exports(List<String> drivers) throws IOException, UnusableSdkException {
        List<String> flags = new ArrayList<>();
        for (String name : Stream.concat(Stream.of("common"), drivers.stream()).toList()) {
            Path list = sdk.resolve("etc/exportLists/" + name + "-exports");
            if (!Files.isRegularFile(list)) {
                throw new UnusableSdkException(
                        "TORNADOVM_HOME=" + sdk + " is no whole TornadoVM SDK: it has no " + sdk.relativize(list));
            }
            Files.readAllLines(list).stream()
                    .filter(line -> line.startsWith("--"))
                    .map(String::stripTrailing)
                    .forEach(flags::add);
        }
        return flags;
    }

    /** NAME-VERSION.jar in a folder of jars. */
    private Optional<Path> jar(String folder, String name) throws IOException {
        Path jars = sdk.resolve("share/java").resolve(folder);
        if (!Files.isDirectory(jars)) {
            return Optional.empty();
        }
        try (DirectoryStream<Path> found = Files.newDirectoryStream(jars, name + "-[0-9]*.jar")) {
            List<Path> sorted = new ArrayList<>();
            found.forEach(sorted::add);
            return sorted.stream().filter(Files::isRegularFile).sorted().findFirst();
        }
    }

    private Path required(String folder, String name) throws IOException, UnusableSdkException {
        return jar(folder, name)
                .orElseThrow(() -> new UnusableSdkException("TORNADOVM_HOME=" + sdk
                        + " is no TornadoVM SDK for JDK 25: it has no share/java/" + folder + "/" + name + "-*.jar"));
    }

    private String path(String folder, List<String> names) throws IOException, UnusableSdkException {
        List<String> jars = new ArrayList<>();
        for (String name : names) {
            jars.add(required(folder, name).toString());
        }
        return String.join(":", jars);
    }

    /** In an argument file a quoted line may hold spaces, and a backslash escapes. */
    private static String quoted(String line) {
        return '"' + line.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }
}
