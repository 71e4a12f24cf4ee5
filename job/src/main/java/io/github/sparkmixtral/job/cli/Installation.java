package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.fault.JobException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;

/**
 * What the launcher starts from: a folder with {@code lib} and {@code conf}.
 *
 * @param home the folder, which may be read-only
 * @param work where files that the launcher makes go
 * @param demo where the demo's answers go
 */
record Installation(Path home, Path work, Path demo) {

    /** One that was unpacked from the archive: it makes its files in the user's cache. */
    static Installation unpacked(Path home, Map<String, String> environment) {
        String cache = environment.getOrDefault("XDG_CACHE_HOME", "");
        String user = environment.getOrDefault("HOME", "");
        Path caches;
        if (!cache.isEmpty()) {
            caches = Path.of(cache);
        } else if (!user.isEmpty()) {
            caches = Path.of(user, ".cache");
        } else {
            caches = Path.of(System.getProperty("java.io.tmpdir"), "cache-" + System.getProperty("user.name"));
        }
        Path work = caches.resolve("spark-mixtral").resolve("launcher").toAbsolutePath();
        return new Installation(home, work, Path.of("demo-answers"));
    }

    /** A copy of what the build made in a source tree, whose files stay in the build's folder. */
    static Installation built(Path home, Path target) {
        return new Installation(home, target, target.resolve("demo"));
    }

    Path jar() {
        return home.resolve("lib/spark-mixtral.jar");
    }

    /** The native library of the backend cpu-bf16. */
    Path oneDnn() {
        return home.resolve("lib/onednn.jar");
    }

    /** A file of {@code conf}, where it really lies: in a source tree the folder is a link. */
    Path conf(String name) {
        try {
            return home.resolve("conf").toRealPath().resolve(name);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Writes a file of the launcher's own at once, for other runs may be reading it. */
    Path write(String name, byte[] content) {
        Path file = work.resolve(name);
        try {
            Files.createDirectories(work);
            Path fresh = Files.createTempFile(work, name, ".new");
            Files.write(fresh, content);
            return Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw JobException.usage(
                    file + " cannot be written (" + e + "): set XDG_CACHE_HOME to a folder that can be written");
        }
    }
}
