package io.github.sparkmixtral.job.model;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.gguf.GgufFile;
import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.safetensors.SafetensorsFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;

/**
 * The head of a remote file of weights, without the weights: in a file of the same length that has a hole in their place. A head
 * does not say how long it is, so that its own reader asks for more of it as it goes.
 */
record WeightsHead(FileSystem fileSystem, FileStatus source, Path target) {
    /** Far above the head of any model; keeps a damaged one from fetching the whole file. */
    private static final int LONGEST = 256 << 20;

    /** More than the head of a safetensors file has; a model may have dozens of them. */
    private static final int FIRST_READ = 256 << 10;

    /** The file's name in messages. */
    String shown() {
        return Redaction.redact(source.getPath().toString());
    }

    /**
     * Brings the head.
     *
     * @throws ModelException where it is that of no GGUF file
     */
    void read() throws IOException {
        Files.deleteIfExists(target);
        try (FileChannel out = FileChannel.open(
                        target,
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.SPARSE,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE);
                Arena arena = Arena.ofConfined();
                FSDataInputStream in = fileSystem.open(source.getPath())) {
            if (source.getLen() > 0) {
                out.write(ByteBuffer.allocate(1), source.getLen() - 1);
            }
            parse(out.map(FileChannel.MapMode.READ_ONLY, 0, source.getLen(), arena), new Bytes(in, out));
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    private void parse(MemorySegment content, Bytes bytes) {
        if (!source.getPath().getName().endsWith(".safetensors")) {
            GgufFile.read(shown(), content, bytes::require);
            return;
        }
        try {
            SafetensorsFile.read(shown(), content, bytes::require);
        } catch (ModelException e) {
            // Whoever loads the model finds the same, if this file is any of it.
        }
    }

    /** What is there of the head. */
    private final class Bytes {
        private final FSDataInputStream in;
        private final FileChannel out;
        private long have;

        Bytes(FSDataInputStream in, FileChannel out) {
            this.in = in;
            this.out = out;
        }

        /** Reads on, at least to that length, and twice as far as before. */
        void require(long length) {
            if (length <= have) {
                return;
            }
            if (length > LONGEST) {
                throw new ModelException(
                        "%s states a head of %d bytes or more, which none has: it is damaged; mend it at its source"
                                .formatted(shown(), length));
            }
            long end = Math.min(source.getLen(), Math.max(length, Math.max(FIRST_READ, 2 * have)));
            byte[] more = new byte[(int) (end - have)];
            try {
                in.readFully(have, more);
                ByteBuffer buffer = ByteBuffer.wrap(more);
                while (buffer.hasRemaining()) {
                    out.write(buffer, have + buffer.position());
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            have = end;
        }
    }
}
