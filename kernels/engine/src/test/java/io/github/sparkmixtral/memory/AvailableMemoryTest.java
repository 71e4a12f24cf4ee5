package io.github.sparkmixtral.memory;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AvailableMemoryTest {
    private static final long GIB = 1L << 30;
    private static final long MACHINE = 64 * GIB;

    @TempDir
    private Path root;

    @BeforeEach
    void aMachine() throws IOException {
        write("proc/meminfo", "MemTotal: 99999999 kB\nMemFree: 1 kB\nMemAvailable:   " + MACHINE / 1024 + " kB\n");
    }

    private void write(String file, Object content) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, content.toString());
    }

    private void version2(String group, Object limit, long usage, long file) throws IOException {
        write(group + "/memory.max", limit + "\n");
        write(group + "/memory.current", usage + "\n");
        write(
                group + "/memory.stat",
                "anon 5\nfile 99\ninactive_file %d\nactive_file %d\nslab_reclaimable 1000\nslab 5000\n"
                        .formatted(file - file / 3, file / 3));
    }

    private void version1(String group, Object limit, long usage, long file) throws IOException {
        write(group + "/memory.limit_in_bytes", limit + "\n");
        write(group + "/memory.usage_in_bytes", usage + "\n");
        write(
                group + "/memory.stat",
                "active_file 7\ninactive_file 7\ntotal_inactive_file %d\ntotal_active_file %d\n"
                        .formatted(file - file / 3, file / 3));
    }

    private long bytes() {
        return new AvailableMemory(root).bytes();
    }

    @Test
    void withoutALimitItIsWhatTheKernelCallsAvailable() throws IOException {
        assertThat(bytes()).isEqualTo(MACHINE);

        write("proc/self/cgroup", "0::/user.slice\n");
        version2("sys/fs/cgroup/user.slice", "max", 20 * GIB, GIB);
        assertThat(bytes()).isEqualTo(MACHINE);
    }

    @Test
    void pagesOfFilesCountAsFree() throws IOException {
        write("proc/self/cgroup", "0::/job\n");
        version2("sys/fs/cgroup/job", 32 * GIB, 30 * GIB, 26 * GIB);

        assertThat(bytes()).isEqualTo(28 * GIB + 1000);
    }

    @Test
    void lowestLimitOfAllLevelsCounts() throws IOException {
        write("proc/self/cgroup", "0::/kube/pod/container\n");
        version2("sys/fs/cgroup/kube/pod/container", 32 * GIB, GIB, 0);
        version2("sys/fs/cgroup/kube/pod", 16 * GIB, 2 * GIB, GIB);
        version2("sys/fs/cgroup/kube", "max", 2 * GIB, GIB);

        assertThat(bytes()).isEqualTo(15 * GIB + 1000);
    }

    @ParameterizedTest
    @ValueSource(strings = {"/", "/../..", "/../other", "/docker/0123", "/../../../../../../../.."})
    void containerSeesItsGroupAsTheRoot(String path) throws IOException {
        write("proc/self/cgroup", "0::" + path + "\n");
        version2("sys/fs/cgroup", 8 * GIB, 5 * GIB, 4 * GIB);

        assertThat(bytes()).isEqualTo(7 * GIB + 1000);
    }

    @Test
    void version1CountsWithTheGroupsBelow() throws IOException {
        write("proc/self/cgroup", "11:cpu,cpuacct:/a\n4:memory:/yarn/container\n0::/\n");
        version1("sys/fs/cgroup/memory/yarn/container", "9223372036854771712", GIB, 0);
        version1("sys/fs/cgroup/memory/yarn", 12 * GIB, 10 * GIB, 6 * GIB);

        assertThat(bytes()).isEqualTo(8 * GIB);
    }

    @Test
    void version1InAContainer() throws IOException {
        write("proc/self/cgroup", "4:memory:/docker/0123\n");
        version1("sys/fs/cgroup/memory", 4 * GIB, GIB, 0);

        assertThat(bytes()).isEqualTo(3 * GIB);
    }

    @Test
    void moreThanTheLimitLeavesNothing() throws IOException {
        write("proc/self/cgroup", "0::/\n");
        version2("sys/fs/cgroup", GIB, 2 * GIB, 0);

        assertThat(bytes()).isZero();
    }

    @Test
    void whatCannotBeUnderstoodLimitsNothing() throws IOException {
        write("proc/self/cgroup", "rubbish\n\n0:\n0::/a\n4:memory:/b\n");
        version2("sys/fs/cgroup/a", "-5", 5, 0);
        version2("sys/fs/cgroup", "12 GB", 5, 0);
        write("sys/fs/cgroup/memory/b/memory.limit_in_bytes", "");
        Files.write(
                root.resolve("sys/fs/cgroup/memory/b/memory.usage_in_bytes"), new byte[] {(byte) 0xFF, (byte) 0xFE});

        assertThat(bytes()).isEqualTo(MACHINE);
    }

    @Test
    void elsewhereItIsWhatJavaSees() throws IOException {
        Files.delete(root.resolve("proc/meminfo"));

        assertThat(bytes()).isBetween(1L << 20, 1L << 50);
        assertThat(new AvailableMemory().bytes()).isBetween(1L << 20, 1L << 50);
    }
}
