package io.github.sparkmixtral.tokenizer;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;

/** Reads a golden file that the scripts under {@code src/test/golden} wrote: varints, texts and ids, gzipped. */
public final class GoldenFile {
    private final ByteArrayInputStream data;

    public GoldenFile(String resource) {
        try (InputStream file = GoldenFile.class.getResourceAsStream(resource)) {
            data = new ByteArrayInputStream(new GZIPInputStream(file).readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public int number() {
        int value = 0;
        for (int shift = 0; ; shift += 7) {
            int next = data.read();
            value |= (next & 0x7F) << shift;
            if (next < 0x80) {
                return value;
            }
        }
    }

    public boolean flag() {
        return number() != 0;
    }

    public String text() {
        byte[] bytes = new byte[number()];
        int read = data.readNBytes(bytes, 0, bytes.length);
        if (read != bytes.length) {
            throw new IllegalStateException("the golden file is truncated");
        }
        return new String(bytes, StandardCharsets.UTF_8);
    }

    public int[] ids() {
        int[] ids = new int[number()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = number();
        }
        return ids;
    }

    public boolean atEnd() {
        return data.available() == 0;
    }

    /** A test resource as a file. */
    public static Path file(String resource) {
        try {
            return Path.of(GoldenFile.class.getResource(resource).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }
}
