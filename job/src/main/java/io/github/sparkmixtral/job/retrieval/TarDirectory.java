package io.github.sparkmixtral.job.retrieval;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.apache.commons.compress.archivers.tar.TarFile;
import org.apache.lucene.store.BaseDirectory;
import org.apache.lucene.store.Directory;
import org.apache.lucene.store.FSDirectory;
import org.apache.lucene.store.IOContext;
import org.apache.lucene.store.IndexInput;
import org.apache.lucene.store.IndexOutput;
import org.apache.lucene.store.MMapDirectory;
import org.apache.lucene.store.NoLockFactory;

/**
 * The files of a Lucene index in a tar archive, read where they lie in it. One file goes to an object store in one piece, and {@code
 * tar xf} makes a plain index of it.
 */
final class TarDirectory extends BaseDirectory {
    private final Directory parent;
    private final IndexInput archive;
    private final Map<String, Span> files = new TreeMap<>();

    private record Span(long offset, long length) {}

    /** Opens an archive, which stays mapped until the directory is closed. */
    TarDirectory(Path file) throws IOException {
        super(NoLockFactory.INSTANCE);
        try (TarFile tar = new TarFile(file)) {
            for (TarArchiveEntry entry : tar.getEntries()) {
                files.put(entry.getName(), new Span(entry.getDataOffset(), entry.getSize()));
            }
        }
        parent = new MMapDirectory(file.toAbsolutePath().getParent(), NoLockFactory.INSTANCE);
        archive = parent.openInput(file.getFileName().toString(), IOContext.DEFAULT);
    }

    /** Packs the files of an index. */
    static void pack(FSDirectory index, OutputStream out) throws IOException {
        TarArchiveOutputStream tar = new TarArchiveOutputStream(out);
        tar.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_STAR);
        for (String name : index.listAll()) {
            TarArchiveEntry entry = new TarArchiveEntry(name, TarConstants.LF_NORMAL);
            entry.setSize(index.fileLength(name));
            entry.setModTime(0);
            tar.putArchiveEntry(entry);
            Files.copy(index.getDirectory().resolve(name), tar);
            tar.closeArchiveEntry();
        }
        tar.finish();
    }

    @Override
    public String[] listAll() {
        return files.keySet().toArray(String[]::new);
    }

    @Override
    public long fileLength(String name) throws IOException {
        return span(name).length();
    }

    @Override
    public IndexInput openInput(String name, IOContext context) throws IOException {
        ensureOpen();
        Span span = span(name);
        return archive.slice(name, span.offset(), span.length());
    }

    private Span span(String name) throws IOException {
        Span span = files.get(name);
        if (span == null) {
            throw new java.nio.file.NoSuchFileException(name);
        }
        return span;
    }

    @Override
    public Set<String> getPendingDeletions() {
        return Set.of();
    }

    @Override
    public void close() throws IOException {
        isOpen = false;
        archive.close();
        parent.close();
    }

    @Override
    public void deleteFile(String name) {
        throw readOnly();
    }

    @Override
    public IndexOutput createOutput(String name, IOContext context) {
        throw readOnly();
    }

    @Override
    public IndexOutput createTempOutput(String prefix, String suffix, IOContext context) {
        throw readOnly();
    }

    @Override
    public void sync(Collection<String> names) {
        throw readOnly();
    }

    @Override
    public void syncMetaData() {
        throw readOnly();
    }

    @Override
    public void rename(String source, String target) {
        throw readOnly();
    }

    private static UnsupportedOperationException readOnly() {
        return new UnsupportedOperationException("an archive is only read");
    }
}
