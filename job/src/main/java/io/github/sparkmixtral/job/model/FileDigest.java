package io.github.sparkmixtral.job.model;

import java.io.IOException;
import java.security.MessageDigest;
import java.util.HexFormat;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;

/**
 * Tells by few reads whether a file's bytes are those of before: all of a small file, of a large one the beginning, the end and
 * samples between.
 */
public final class FileDigest {
    /** Files up to that length are read whole. */
    public static final long WHOLE = 16L << 20;

    private static final int HEAD = 1 << 20;
    private static final int SAMPLE = 4096;

    private FileDigest() {}

    /**
     * Digests the file's first bytes.
     *
     * @param length how many count; at most the file's
     * @param samples between beginning and end
     * @return SHA-256 as hexadecimal digits
     */
    public static String of(FileStatus file, long length, int samples, Configuration configuration) throws IOException {
        FileSystem fileSystem = file.getPath().getFileSystem(configuration);
        return FileBytes.read(fileSystem, file.getPath(), in -> {
            MessageDigest digest = ModelCache.sha256();
            if (length <= WHOLE) {
                add(in, 0, (int) length, digest);
            } else {
                add(in, 0, HEAD, digest);
                long step = (length - HEAD - SAMPLE) / samples;
                for (int i = 1; i <= samples; i++) {
                    add(in, HEAD + i * step, SAMPLE, digest);
                }
            }
            return HexFormat.of().formatHex(digest.digest(), 0, 16);
        });
    }

    private static void add(FSDataInputStream in, long position, int length, MessageDigest digest) throws IOException {
        byte[] bytes = new byte[length];
        in.readFully(position, bytes);
        digest.update(bytes);
    }

    /** Whether a line ends at that length, so that what was appended since is lines of its own. */
    public static boolean endsLineAt(FileStatus file, long length, Configuration configuration) throws IOException {
        if (length == 0) {
            return true;
        }
        byte[] around = new byte[(int) Math.min(2, file.getLen() - length + 1)];
        FileSystem fileSystem = file.getPath().getFileSystem(configuration);
        FileBytes.read(fileSystem, file.getPath(), in -> {
            in.readFully(length - 1, around);
            return around;
        });
        return around[0] == '\n' || around.length == 2 && (around[1] == '\n' || around[1] == '\r');
    }
}
