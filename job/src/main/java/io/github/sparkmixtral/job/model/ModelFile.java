package io.github.sparkmixtral.job.model;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.job.fault.Redaction;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.zip.CRC32;
import java.util.zip.CRC32C;
import java.util.zip.Checksum;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileChecksum;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;

/**
 * One file of a model on its way here. Until it is whole and checked it is called {@code target.part}. The caller holds the
 * model's lock.
 */
record ModelFile(FileSystem fileSystem, FileStatus source, Path target, Attempts attempts) {
    private static final int BUFFER = 4 << 20;
    private static final long PROGRESS_BYTES = 1L << 30;

    /** Bytes of the file that are here already, whole or in part. */
    static long bytesHere(Path target) throws IOException {
        if (Files.exists(target)) {
            return Files.size(target);
        }
        Path part = part(target);
        return Files.exists(part) ? Files.size(part) : 0;
    }

    /** Whether all of the file is here. */
    static boolean isWhole(FileStatus source, Path target) throws IOException {
        return Files.exists(target) && Files.size(target) == source.getLen();
    }

    private static Path part(Path target) {
        return Path.of(target + ".part");
    }

    /**
     * Brings what is missing, checks it, and gives it its name.
     *
     * @throws ModelException where the bytes are not those that the checksum tells; the next fetch begins anew
     */
    void fetch() throws IOException {
        if (isWhole(source, target)) {
            return;
        }
        Path part = part(target);
        attempts.run(name(), () -> bytesHere(target), () -> append(part));
        check(part);
        Files.move(part, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private String name() {
        return Redaction.redact(source.getPath().toString());
    }

    private void append(Path part) throws IOException {
        try (FileChannel out = FileChannel.open(part, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            if (out.size() > source.getLen()) {
                out.truncate(0);
            }
            long have = out.size();
            out.position(have);
            if (have == source.getLen()) {
                return;
            }
            tell(have > 0 ? "going on with" : "fetching", have, "");
            try (FSDataInputStream in = fileSystem.open(source.getPath())) {
                in.seek(have);
                copy(in, out);
            }
            if (out.size() != source.getLen()) {
                throw new IOException("got " + out.size() + " of " + source.getLen() + " bytes");
            }
        }
    }

    private void copy(InputStream in, FileChannel out) throws IOException {
        byte[] buffer = new byte[BUFFER];
        long begin = out.position();
        long start = System.nanoTime();
        long told = begin;
        while (out.position() < source.getLen()) {
            int read = in.read(buffer, 0, (int) Math.min(buffer.length, source.getLen() - out.position()));
            if (read < 0) {
                return;
            }
            ByteBuffer bytes = ByteBuffer.wrap(buffer, 0, read);
            while (bytes.hasRemaining()) {
                out.write(bytes);
            }
            if (out.position() - told >= PROGRESS_BYTES) {
                told = out.position();
                double seconds = (System.nanoTime() - start) / 1e9;
                tell(
                        "fetching",
                        told,
                        String.format(
                                Locale.ROOT, ", %.0f s left", seconds / (told - begin) * (source.getLen() - told)));
            }
        }
    }

    private void tell(String what, long have, String left) {
        attempts.progress()
                .accept(String.format(
                                Locale.ROOT, "%s %s: %.1f of %.1f MB", what, name(), have / 1e6, source.getLen() / 1e6)
                        + left);
    }

    private void check(Path part) throws IOException {
        Optional<String> expected = sha256Beside();
        if (expected.isPresent()) {
            Digest digest = Digest.of(ModelCache.sha256());
            read(part, digest.bytes());
            requireEqual(
                    part,
                    "SHA-256",
                    expected.get(),
                    HexFormat.of().formatHex(digest.value().get()));
            return;
        }
        FileChecksum checksum = fileSystem.getFileChecksum(source.getPath());
        Optional<Digest> digest = checksum == null ? Optional.empty() : digest(checksum.getAlgorithmName());
        if (digest.isPresent()) {
            read(part, digest.get().bytes());
            requireEqual(
                    part,
                    checksum.getAlgorithmName(),
                    HexFormat.of().formatHex(checksum.getBytes()),
                    HexFormat.of().formatHex(digest.get().value().get()));
        }
    }

    private Optional<String> sha256Beside() throws IOException {
        org.apache.hadoop.fs.Path beside = source.getPath().suffix(".sha256");
        if (!fileSystem.exists(beside)) {
            return Optional.empty();
        }
        try (FSDataInputStream in = fileSystem.open(beside)) {
            String text = new String(in.readNBytes(1024), StandardCharsets.UTF_8).strip();
            return Optional.of(text.split("\\s", 2)[0].toLowerCase(Locale.ROOT));
        }
    }

    /** The checksums of whole files that can be computed from the bytes alone. */
    private Optional<Digest> digest(String algorithm) {
        return switch (algorithm) {
            case "COMPOSITE-CRC32C" -> Optional.of(Digest.of(new CRC32C()));
            case "COMPOSITE-CRC32" -> Optional.of(Digest.of(new CRC32()));
            case HubFile.Hash.SHA_256 -> Optional.of(Digest.of(ModelCache.sha256()));
            case HubFile.Hash.GIT_SHA_1 -> Optional.of(Digest.of(HubFile.Hash.ofGit(source.getLen())));
            default -> Optional.empty();
        };
    }

    private record Digest(Bytes bytes, Supplier<byte[]> value) {
        static Digest of(Checksum checksum) {
            return new Digest(
                    checksum::update,
                    () -> ByteBuffer.allocate(4)
                            .putInt((int) checksum.getValue())
                            .array());
        }

        static Digest of(MessageDigest digest) {
            return new Digest(digest::update, digest::digest);
        }
    }

    private interface Bytes {
        void accept(byte[] bytes, int offset, int length);
    }

    private static void read(Path part, Bytes bytes) throws IOException {
        byte[] buffer = new byte[BUFFER];
        try (InputStream in = Files.newInputStream(part)) {
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                bytes.accept(buffer, 0, read);
            }
        }
    }

    private void requireEqual(Path part, String algorithm, String expected, String actual) throws IOException {
        if (!expected.equals(actual)) {
            Files.delete(part);
            throw new ModelException("the fetched file " + name() + " has the " + algorithm + " " + actual
                    + " instead of " + expected + ": fetch it again, or mend it at its source");
        }
    }
}
