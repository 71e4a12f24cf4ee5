package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.invoke.MethodType;
import java.lang.reflect.AccessFlag;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.Field;
import java.lang.reflect.Member;
import java.lang.reflect.Method;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import uk.ac.manchester.tornado.api.TaskGraph;

/**
 * Kernels and backend are compiled against signatures of our own. Each must be TornadoVM's to the letter, or the code
 * does not link where the SDK brings the real classes.
 */
class TornadoSignaturesTest {

    @Test
    @EnabledIfEnvironmentVariable(
            named = "TORNADOVM_HOME",
            matches = ".+",
            disabledReason = "TORNADOVM_HOME is not set: there are no signatures to compare with")
    void everySignatureIsTornadoVms() throws Exception {
        URL ours = TaskGraph.class.getProtectionDomain().getCodeSource().getLocation();
        URL theirs = api(Path.of(System.getenv("TORNADOVM_HOME"), "share/java/tornado"))
                .toUri()
                .toURL();
        List<String> differences = new ArrayList<>();
        try (URLClassLoader our = new URLClassLoader(new URL[] {ours}, ClassLoader.getPlatformClassLoader());
                URLClassLoader their = new URLClassLoader(new URL[] {theirs}, ClassLoader.getPlatformClassLoader())) {
            List<String> names = classes(ours);
            assertThat(names).contains("uk.ac.manchester.tornado.api.KernelContext");
            for (String name : names) {
                Class<?> type = Class.forName(name, false, our);
                if (isVisible(type)) {
                    try {
                        differences.addAll(differences(type, Class.forName(name, false, their)));
                    } catch (ClassNotFoundException _) {
                        differences.add(name + " is no class of TornadoVM");
                    }
                }
            }
        }
        assertThat(differences).isEmpty();
    }

    @Test
    void everyDifferenceIsTold() {
        assertThat(differences(Ours.class, Theirs.class))
                .containsExactlyInAnyOrder(
                        "Ours: TornadoVM has no field: index I",
                        "Ours: TornadoVM has no field: static MODE I = 1",
                        "Ours: TornadoVM has no method: <init>(I)V",
                        "Ours: TornadoVM has no method: close()V throws java.io.IOException",
                        "Ours: TornadoVM has no method: of()V",
                        "Ours: TornadoVM has no method: size()I");
        assertThat(differences(Ours.class, Ours.class)).isEmpty();
        assertThat(differences(Runnable.class, Theirs.class))
                .startsWith("Runnable is an interface in one and a class in the other");
    }

    @SuppressWarnings("unused")
    static class Ours {
        public static final int MODE = 1;
        public final int index = 0;
        public final Integer same = 0;
        final int hidden = 0;

        public Ours() {}

        public Ours(int size) {}

        public int size() {
            return 0;
        }

        public void of() {}

        public void close() throws IOException {}

        protected void same() {}
    }

    @SuppressWarnings("unused")
    static class Theirs {
        public static final int MODE = 2;
        public final Integer index = 0;
        public final Integer same = 0;

        public Theirs() {}

        public long size() {
            return 0;
        }

        public static void of() {}

        public void close() {}

        protected void same() {}
    }

    /** What {@code ours} shows to other packages and {@code theirs} neither has nor inherits. */
    private static List<String> differences(Class<?> ours, Class<?> theirs) {
        List<String> differences = new ArrayList<>();
        if (ours.isInterface() != theirs.isInterface()) {
            differences.add(ours.getSimpleName() + " is an interface in one and a class in the other");
        }
        Set<String> missing = new TreeSet<>(members(ours));
        for (Class<?> type : (Iterable<Class<?>>) hierarchy(theirs)::iterator) {
            missing.removeAll(members(type));
        }
        missing.forEach(member -> differences.add(ours.getSimpleName() + ": TornadoVM has no " + member));
        return differences;
    }

    private static Stream<Class<?>> hierarchy(Class<?> type) {
        return Stream.concat(
                Stream.of(type),
                Stream.concat(Stream.ofNullable(type.getSuperclass()), Arrays.stream(type.getInterfaces()))
                        .flatMap(TornadoSignaturesTest::hierarchy));
    }

    private static Set<String> members(Class<?> type) {
        Set<String> members = new TreeSet<>();
        for (Field field : type.getDeclaredFields()) {
            if (isVisible(field.accessFlags())) {
                members.add("field: " + prefix(field) + field.getName() + " "
                        + field.getType().descriptorString() + constant(field));
            }
        }
        for (Constructor<?> constructor : type.getDeclaredConstructors()) {
            add(members, constructor, "<init>", void.class);
        }
        for (Method method : type.getDeclaredMethods()) {
            add(members, method, method.getName(), method.getReturnType());
        }
        return members;
    }

    private static void add(Set<String> members, Executable executable, String name, Class<?> returned) {
        if (isVisible(executable.accessFlags())) {
            MethodType type = MethodType.methodType(returned, executable.getParameterTypes());
            StringBuilder text = new StringBuilder("method: ")
                    .append(prefix(executable))
                    .append(name)
                    .append(type.descriptorString());
            for (Class<?> exception : executable.getExceptionTypes()) {
                text.append(" throws ").append(exception.getName());
            }
            members.add(text.toString());
        }
    }

    private static String prefix(Member member) {
        return member.accessFlags().contains(AccessFlag.STATIC) ? "static " : "";
    }

    /** javac copies the value of a constant into the classes that use it, so the values must agree too. */
    private static String constant(Field field) {
        if (!field.getType().isPrimitive()
                || !field.accessFlags().containsAll(Set.of(AccessFlag.STATIC, AccessFlag.FINAL))) {
            return "";
        }
        try {
            field.setAccessible(true);
            return " = " + field.get(null);
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
    }

    private static boolean isVisible(Class<?> type) {
        return isVisible(type.accessFlags())
                && (type.getDeclaringClass() == null || isVisible(type.getDeclaringClass()));
    }

    private static boolean isVisible(Set<AccessFlag> flags) {
        return !flags.contains(AccessFlag.SYNTHETIC)
                && (flags.contains(AccessFlag.PUBLIC) || flags.contains(AccessFlag.PROTECTED));
    }

    private static Path api(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.getFileName().toString().matches("tornado-api-[0-9].*\\.jar"))
                    .findFirst()
                    .orElseThrow();
        }
    }

    /** The names of all classes in a folder or a jar. */
    private static List<String> classes(URL location) throws IOException, URISyntaxException {
        Path path = Path.of(location.toURI());
        if (Files.isDirectory(path)) {
            return classesUnder(path);
        }
        try (FileSystem jar = FileSystems.newFileSystem(path)) {
            return classesUnder(jar.getPath("/"));
        }
    }

    private static List<String> classesUnder(Path root) throws IOException {
        try (Stream<Path> files = Files.walk(root)) {
            return files.map(file -> root.relativize(file).toString())
                    .filter(file -> file.endsWith(".class"))
                    .map(file ->
                            file.substring(0, file.length() - ".class".length()).replaceAll("[/\\\\]", "."))
                    .toList();
        }
    }
}
