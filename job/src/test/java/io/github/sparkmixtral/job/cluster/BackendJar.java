package io.github.sparkmixtral.job.cluster;

import io.github.sparkmixtral.engine.BackendProvider;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;

/** A backend, or what else is found by its name, in a jar of its own, for {@code --jars}. */
final class BackendJar {
    private BackendJar() {}

    /** @param classes the provider first */
    static Path write(Path file, Class<?>... classes) throws IOException {
        return write(file, BackendProvider.class, classes);
    }

    /** @param service what the first of the classes is */
    static Path write(Path file, Class<?> service, Class<?>[] classes) throws IOException {
        try (OutputStream out = Files.newOutputStream(file);
                JarOutputStream jar = new JarOutputStream(out)) {
            for (Class<?> type : classes) {
                put(type, jar);
            }
            jar.putNextEntry(new JarEntry("META-INF/services/" + service.getName()));
            jar.write(classes[0].getName().getBytes(StandardCharsets.UTF_8));
        }
        return file;
    }

    /** A class in a jar of its own. */
    static Path ofClass(Path file, Class<?> type) throws IOException {
        try (OutputStream out = Files.newOutputStream(file);
                JarOutputStream jar = new JarOutputStream(out)) {
            put(type, jar);
        }
        return file;
    }

    private static void put(Class<?> type, JarOutputStream jar) throws IOException {
        String entry = type.getName().replace('.', '/') + ".class";
        jar.putNextEntry(new JarEntry(entry));
        type.getClassLoader().getResourceAsStream(entry).transferTo(jar);
    }
}
