package io.github.sparkmixtral.job.input;

import java.io.IOException;
import java.io.InputStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.compress.CompressionCodec;
import org.apache.hadoop.io.compress.CompressionCodecFactory;

/** The bytes of an input's file, decompressed as its name says. */
final class InputBytes {

    private InputBytes() {}

    static InputStream open(Path file, Configuration configuration) throws IOException {
        CompressionCodec codec = new CompressionCodecFactory(configuration).getCodec(file);
        InputStream raw = file.getFileSystem(configuration).open(file);
        try {
            return codec == null ? raw : codec.createInputStream(raw);
        } catch (IOException | RuntimeException e) {
            raw.close();
            throw e;
        }
    }

    /** The beginning of a file. */
    static byte[] read(Path file, Configuration configuration, int most) throws IOException {
        try (InputStream in = open(file, configuration)) {
            return in.readNBytes(most);
        }
    }

    /** Bytes of UTF-8's byte order mark at the beginning. */
    static int markLength(byte[] bytes) {
        boolean marked =
                bytes.length >= 3 && bytes[0] == (byte) 0xEF && bytes[1] == (byte) 0xBB && bytes[2] == (byte) 0xBF;
        return marked ? 3 : 0;
    }
}
