package io.github.sparkmixtral.memory;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;

/**
 * Tells how much memory this process may still take. On Linux that is the least of what the kernel calls available and what each
 * control group leaves that holds the process
 * (<a href="https://docs.kernel.org/admin-guide/cgroup-v2.html">version 2</a>,
 * <a href="https://docs.kernel.org/admin-guide/cgroup-v1/memory.html">version 1</a>). Pages of files, where a mapped model lies,
 * count as free: the kernel drops them first.
 *
 * @param root of the file system; another one than {@code /} for tests
 */
public record AvailableMemory(Path root) {

    /** How the files of a version are called, and the fields of {@code memory.stat} that the kernel can take back. */
    private enum Version {
        V2("memory.max", "memory.current", "active_file", "inactive_file", "slab_reclaimable"),
        V1("memory.limit_in_bytes", "memory.usage_in_bytes", "total_active_file", "total_inactive_file");

        private final String limit;
        private final String usage;
        private final List<String> reclaimable;

        Version(String limit, String usage, String... reclaimable) {
            this.limit = limit;
            this.usage = usage;
            this.reclaimable = List.of(reclaimable);
        }
    }

    /** Of this machine. */
    public AvailableMemory() {
        this(Path.of("/"));
    }

    /** Bytes that can be taken without swapping or being killed; at least 0. */
    public long bytes() {
        OptionalLong machine = field(root.resolve("proc/meminfo"), "MemAvailable:");
        long available = machine.isPresent() ? machine.getAsLong() << 10 : freeAsJavaSees();
        for (String line : lines(root.resolve("proc/self/cgroup"))) {
            available = Math.min(available, leftByGroup(line));
        }
        return Math.max(0, available);
    }

    private static long freeAsJavaSees() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getFreeMemorySize();
    }

    /** @param line {@code number:controllers:path}; version 2 has the number 0 and no controllers */
    private long leftByGroup(String line) {
        String[] parts = line.split(":", 3);
        if (parts.length < 3) {
            return Long.MAX_VALUE;
        }
        Path mounts = root.resolve("sys/fs/cgroup").normalize();
        if (parts[0].equals("0") && parts[1].isEmpty()) {
            // Beside version 1, version 2 is mounted below, and limits no memory.
            return left(mounts, parts[2], Version.V2);
        }
        return Arrays.asList(parts[1].split(",")).contains("memory")
                ? left(mounts.resolve("memory"), parts[2], Version.V1)
                : Long.MAX_VALUE;
    }

    /** The least that the group and those above it leave. */
    private static long left(Path mount, String path, Version version) {
        Path group = mount.resolve(path.replaceFirst("^/+", "")).normalize();
        // A container sees its own group as the mount's root, but may be told the path that its host knows.
        if (!group.startsWith(mount) || !Files.isDirectory(group)) {
            group = mount;
        }
        long least = Long.MAX_VALUE;
        for (; group.startsWith(mount); group = group.getParent()) {
            least = Math.min(least, left(group, version));
        }
        return least;
    }

    private static long left(Path group, Version version) {
        OptionalLong limit = number(group.resolve(version.limit));
        OptionalLong usage = number(group.resolve(version.usage));
        if (limit.isEmpty() || usage.isEmpty()) {
            return Long.MAX_VALUE;
        }
        Path statistics = group.resolve("memory.stat");
        long reclaimable = version.reclaimable.stream()
                .mapToLong(field -> field(statistics, field).orElse(0))
                .sum();
        return limit.getAsLong() - usage.getAsLong() + Math.min(reclaimable, usage.getAsLong());
    }

    /** The number that a file holds; empty where there is no limit or no such file. */
    private static OptionalLong number(Path file) {
        return lines(file).stream().findFirst().map(AvailableMemory::parsed).orElse(OptionalLong.empty());
    }

    /** The number behind a field's name. */
    private static OptionalLong field(Path file, String name) {
        Optional<String[]> found = lines(file).stream()
                .map(line -> line.split("\\s+"))
                .filter(words -> words.length > 1 && words[0].equals(name))
                .findFirst();
        return found.isPresent() ? parsed(found.get()[1]) : OptionalLong.empty();
    }

    private static OptionalLong parsed(String text) {
        // No limit is called max, or in version 1 has the 19 digits of the largest long.
        return text.strip().matches("\\d{1,18}") ? OptionalLong.of(Long.parseLong(text.strip())) : OptionalLong.empty();
    }

    private static List<String> lines(Path file) {
        try (Stream<String> lines = Files.lines(file)) {
            return lines.toList();
        } catch (IOException | UncheckedIOException e) {
            return List.of();
        }
    }
}
