package io.github.sparkmixtral.job.model;

import java.io.IOException;
import java.net.URI;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSInputStream;
import org.apache.hadoop.fs.FileChecksum;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;

/** The local disk seen as a remote file system, {@code flaky:/path}, that counts what is read and can break off. */
public final class FlakyFileSystem extends RawLocalFileSystem {
    public static final AtomicLong BYTES_READ = new AtomicLong();
    static final AtomicInteger FILES_OPENED = new AtomicInteger();

    /** Bytes after which every stream breaks off, until {@link #FAILURES_LEFT} is used up. */
    static volatile long breakAfter = Long.MAX_VALUE;

    /** Place in a file at which every stream breaks off, likewise. */
    static volatile long breakAt = Long.MAX_VALUE;

    static final AtomicInteger FAILURES_LEFT = new AtomicInteger();
    static volatile FileChecksum checksum;

    public static void reset() {
        BYTES_READ.set(0);
        FILES_OPENED.set(0);
        breakAfter = Long.MAX_VALUE;
        breakAt = Long.MAX_VALUE;
        FAILURES_LEFT.set(0);
        checksum = null;
    }

    @Override
    public URI getUri() {
        return URI.create("flaky:///");
    }

    @Override
    public String getScheme() {
        return "flaky";
    }

    @Override
    public void initialize(URI uri, Configuration configuration) throws IOException {
        super.initialize(uri, configuration);
    }

    @Override
    public FileStatus getFileStatus(Path path) throws IOException {
        FileStatus status = super.getFileStatus(path);
        status.setPath(new Path("flaky:" + status.getPath().toUri().getPath()));
        return status;
    }

    @Override
    public FileChecksum getFileChecksum(Path path) {
        return checksum;
    }

    @Override
    public FSDataInputStream open(Path path, int bufferSize) throws IOException {
        FILES_OPENED.incrementAndGet();
        return new FSDataInputStream(new Breaking(super.open(path, bufferSize)));
    }

    private static final class Breaking extends FSInputStream {
        private final FSDataInputStream in;
        private long read;

        Breaking(FSDataInputStream in) {
            this.in = in;
        }

        @Override
        public int read(byte[] buffer, int offset, int length) throws IOException {
            int most = length;
            if (FAILURES_LEFT.get() > 0) {
                long left = Math.min(breakAfter - read, breakAt - in.getPos());
                if (left <= 0 && FAILURES_LEFT.getAndDecrement() > 0) {
                    throw new IOException("connection reset");
                }
                most = (int) Math.min(length, Math.max(1, left));
            }
            int bytes = in.read(buffer, offset, most);
            if (bytes > 0) {
                read += bytes;
                BYTES_READ.addAndGet(bytes);
            }
            return bytes;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
        }

        @Override
        public void seek(long position) throws IOException {
            in.seek(position);
        }

        @Override
        public long getPos() throws IOException {
            return in.getPos();
        }

        @Override
        public boolean seekToNewSource(long target) {
            return false;
        }

        @Override
        public void close() throws IOException {
            in.close();
        }
    }
}
