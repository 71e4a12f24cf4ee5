package io.github.sparkmixtral.job.output;

import io.github.sparkmixtral.job.model.FileBytes;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.Set;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileContext;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.UnsupportedFileSystemException;

/**
 * Puts whole files into a directory: with one PUT where a file is seen only when it is complete (object stores), else by a hidden
 * file and its rename. A file of that name is replaced.
 */
public final class ChunkPublisher {
    private static final Set<String> OBJECT_STORES = Set.of("s3a", "s3", "s3n", "gs", "oss", "cosn", "obs");
    private static final int BUFFER = 1 << 20;

    private final Path directory;
    private final Configuration configuration;
    private final FileSystem fileSystem;

    public ChunkPublisher(String directory, Configuration configuration) throws IOException {
        this.configuration = configuration;
        FileSystem found = new Path(directory).getFileSystem(configuration);
        this.fileSystem = found;
        this.directory = found.makeQualified(new Path(directory));
    }

    public void publish(java.nio.file.Path local, String target) throws IOException {
        try (InputStream in = Files.newInputStream(local)) {
            put(in, new Path(directory, target));
        }
    }

    void publishEmpty(String target) throws IOException {
        put(InputStream.nullInputStream(), new Path(directory, target));
    }

    public void publish(byte[] content, String target) throws IOException {
        put(new ByteArrayInputStream(content), new Path(directory, target));
    }

    /**
     * The same where there must be no file of that name.
     *
     * @param content no other writer's, so that it tells whose file is there
     * @return false where there is one
     */
    boolean create(byte[] content, String name) throws IOException {
        Path target = new Path(directory, name);
        String scheme = fileSystem.getUri().getScheme();
        try {
            if (OBJECT_STORES.contains(scheme)) {
                // The store itself refuses the second of two writers, where it can.
                FSDataOutputStreamBuilder<?, ?> builder = fileSystem.createFile(target);
                builder.overwrite(false);
                builder.opt("fs.option.create.conditional.overwrite", true);
                try (OutputStream out = builder.build()) {
                    out.write(content);
                }
            } else if (scheme.equals("file")) {
                createLocally(content, java.nio.file.Path.of(target.toUri().getPath()));
            } else {
                Path hidden = hidden(target);
                copy(new ByteArrayInputStream(content), hidden);
                FileContext.getFileContext(target.toUri(), configuration).rename(hidden, target);
            }
            return true;
        } catch (org.apache.hadoop.fs.FileAlreadyExistsException
                | java.nio.file.FileAlreadyExistsException
                | org.apache.hadoop.fs.s3a.RemoteFileChangedException e) {
            // A client whose answer is lost asks again, and finds its own file.
            return holds(content, target);
        }
    }

    private boolean holds(byte[] content, Path target) throws IOException {
        return Arrays.equals(content, FileBytes.of(fileSystem, target));
    }

    private static void createLocally(byte[] content, java.nio.file.Path target) throws IOException {
        Files.createDirectories(target.getParent());
        java.nio.file.Path hidden = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID());
        Files.write(hidden, content);
        try {
            // Unlike a rename, a link never replaces.
            Files.createLink(target, hidden);
        } finally {
            Files.delete(hidden);
        }
    }

    private void put(InputStream content, Path target) throws IOException {
        String scheme = fileSystem.getUri().getScheme();
        if (OBJECT_STORES.contains(scheme)) {
            copy(content, target);
        } else if (scheme.equals("file")) {
            putLocally(content, java.nio.file.Path.of(target.toUri().getPath()));
        } else {
            Path hidden = hidden(target);
            copy(content, hidden);
            rename(hidden, target);
        }
    }

    private static Path hidden(Path target) {
        return new Path(target.getParent(), "." + target.getName() + "." + UUID.randomUUID());
    }

    private void copy(InputStream content, Path target) throws IOException {
        OutputStream out = fileSystem.create(target, true);
        try {
            content.transferTo(out);
        } catch (IOException e) {
            // Closing would publish what there is.
            if (out instanceof org.apache.hadoop.fs.Abortable abortable) {
                abortable.abort();
            }
            throw e;
        }
        out.close();
    }

    private void rename(Path hidden, Path target) throws IOException {
        try {
            FileContext.getFileContext(target.toUri(), configuration).rename(hidden, target, Options.Rename.OVERWRITE);
        } catch (UnsupportedFileSystemException e) {
            if (!fileSystem.rename(hidden, target)) {
                fileSystem.delete(target, false);
                if (!fileSystem.rename(hidden, target)) {
                    throw new IOException("cannot rename " + hidden + " to " + target.getName(), e);
                }
            }
        }
    }

    /** Without Hadoop's checksums beside the file, which could not be replaced with it in one step. */
    private static void putLocally(InputStream content, java.nio.file.Path target) throws IOException {
        Files.createDirectories(target.getParent());
        java.nio.file.Path hidden = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID());
        try (OutputStream out = new java.io.BufferedOutputStream(Files.newOutputStream(hidden), BUFFER)) {
            content.transferTo(out);
        }
        Files.deleteIfExists(target.resolveSibling("." + target.getFileName() + ".crc"));
        Files.move(hidden, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }
}
