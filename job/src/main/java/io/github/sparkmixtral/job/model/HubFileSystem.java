package io.github.sparkmixtral.job.model;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.util.HexFormat;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSInputStream;
import org.apache.hadoop.fs.FileChecksum;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;

/**
 * One model of the Hub as Hadoop sees files, so that all that fetches, checks and describes models of other stores does it with
 * these. It shows what the model is made of and nothing else, and cannot be written.
 */
final class HubFileSystem extends FileSystem {
    private static final long BLOCK = 1L << 30;

    private final HubRepository repository;
    private final Path root;

    HubFileSystem(HubRepository repository, Configuration configuration) throws IOException {
        this.repository = repository;
        this.root = new Path(repository.model().root());
        setConf(configuration);
        initialize(root.toUri(), configuration);
    }

    /** The model's path: the repository, or its GGUF file. */
    Path source() {
        return repository.model().file().map(this::path).orElse(root);
    }

    /** The local directory in which Hugging Face's own tools keep what lies in that one. */
    java.nio.file.Path snapshot(Path directory) {
        return repository.snapshot().resolve(relative(directory));
    }

    private Path path(String relative) {
        return new Path(root, relative);
    }

    /** Below the repository, without a slash at either end. */
    private String relative(Path path) {
        String absolute = path.toUri().getPath();
        String base = root.toUri().getPath();
        return absolute.length() <= base.length() ? "" : absolute.substring(base.length() + 1);
    }

    private HubFile file(Path path) throws FileNotFoundException {
        String relative = relative(path);
        return repository.files().stream()
                .filter(file -> file.path().equals(relative))
                .findFirst()
                .orElseThrow(() -> new FileNotFoundException("there is no " + path));
    }

    private FileStatus status(HubFile file) {
        return new FileStatus(file.size(), false, 1, BLOCK, 0, path(file.path()));
    }

    @Override
    public URI getUri() {
        return URI.create(HubModel.SCHEME + "://" + root.toUri().getAuthority());
    }

    @Override
    public FileStatus getFileStatus(Path path) throws IOException {
        boolean directory =
                repository.files().stream().anyMatch(file -> file.folder().startsWith(folder(path)));
        return directory ? new FileStatus(0, true, 1, BLOCK, 0, path) : status(file(path));
    }

    private String folder(Path path) {
        String relative = relative(path);
        return relative.isEmpty() ? "" : relative + "/";
    }

    @Override
    public FileStatus[] listStatus(Path path) {
        return repository.files().stream()
                .filter(file -> file.folder().equals(folder(path)))
                .map(this::status)
                .toArray(FileStatus[]::new);
    }

    @Override
    public FileChecksum getFileChecksum(Path path) throws IOException {
        return file(path).hash().map(Checksum::new).orElse(null);
    }

    @Override
    public FSDataInputStream open(Path path, int bufferSize) throws IOException {
        return new FSDataInputStream(new Ranges(file(path)));
    }

    /** Reads on from where it stands in one answer of the server, and what is asked for by its place in one of its own. */
    private final class Ranges extends FSInputStream {
        private final HubFile file;
        private long position;
        private InputStream in;

        Ranges(HubFile file) {
            this.file = file;
        }

        @Override
        public void seek(long target) throws IOException {
            if (target != position) {
                close();
                position = target;
            }
        }

        @Override
        public long getPos() {
            return position;
        }

        @Override
        public boolean seekToNewSource(long target) {
            return false;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] buffer, int offset, int length) throws IOException {
            if (position >= file.size()) {
                return -1;
            }
            if (in == null) {
                in = repository.open(file.path(), position, -1);
            }
            int read = in.read(buffer, offset, length);
            position += Math.max(0, read);
            return read;
        }

        @Override
        public void readFully(long place, byte[] buffer, int offset, int length) throws IOException {
            if (length == 0) {
                return;
            }
            try (InputStream range = repository.open(file.path(), place, place + length - 1)) {
                if (range.readNBytes(buffer, offset, length) < length) {
                    throw new EOFException(file.path() + " ended early");
                }
            }
        }

        @Override
        public void close() throws IOException {
            if (in != null) {
                in.close();
                in = null;
            }
        }
    }

    /** A hash that the Hub has told. */
    private static final class Checksum extends FileChecksum {
        private final HubFile.Hash hash;

        Checksum(HubFile.Hash hash) {
            this.hash = hash;
        }

        @Override
        public String getAlgorithmName() {
            return hash.algorithm();
        }

        @Override
        public int getLength() {
            return hash.digits().length() / 2;
        }

        @Override
        public byte[] getBytes() {
            return HexFormat.of().parseHex(hash.digits());
        }

        @Override
        public void write(DataOutput out) {
            throw new UnsupportedOperationException("a hash of the Hub is not sent");
        }

        @Override
        public void readFields(DataInput in) {
            throw new UnsupportedOperationException("a hash of the Hub is not sent");
        }
    }

    private static UnsupportedOperationException readOnly() {
        return new UnsupportedOperationException("models of the Hugging Face Hub are only read");
    }

    @Override
    public FSDataOutputStream create(
            Path path,
            FsPermission permission,
            boolean overwrite,
            int bufferSize,
            short replication,
            long blockSize,
            Progressable progress) {
        throw readOnly();
    }

    @Override
    public FSDataOutputStream append(Path path, int bufferSize, Progressable progress) {
        throw readOnly();
    }

    @Override
    public boolean rename(Path from, Path to) {
        throw readOnly();
    }

    @Override
    public boolean delete(Path path, boolean recursive) {
        throw readOnly();
    }

    @Override
    public boolean mkdirs(Path path, FsPermission permission) {
        throw readOnly();
    }

    @Override
    public void setWorkingDirectory(Path directory) {
        throw readOnly();
    }

    @Override
    public Path getWorkingDirectory() {
        return root;
    }
}
