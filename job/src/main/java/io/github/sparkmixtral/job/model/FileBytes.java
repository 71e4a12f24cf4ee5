package io.github.sparkmixtral.job.model;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reads little of a file, and once more where the connection breaks off in the middle, which not every store's client does itself. */
public final class FileBytes {
    private static final Logger LOG = LoggerFactory.getLogger(FileBytes.class);

    private FileBytes() {}

    /** What is read of an open file. */
    @FunctionalInterface
    interface Reading<T> {
        T of(FSDataInputStream in) throws IOException;
    }

    /** The whole of a small file. */
    public static byte[] of(FileSystem fileSystem, Path file) throws IOException {
        return read(fileSystem, file, FSDataInputStream::readAllBytes);
    }

    /** @param reading starts anew each time */
    static <T> T read(FileSystem fileSystem, Path file, Reading<T> reading) throws IOException {
        AtomicReference<T> read = new AtomicReference<>();
        new Attempts(Thread::sleep, LOG::debug).run(file.getName(), () -> 0, () -> {
            try (FSDataInputStream in = fileSystem.open(file)) {
                read.set(reading.of(in));
            }
        });
        return read.get();
    }
}
