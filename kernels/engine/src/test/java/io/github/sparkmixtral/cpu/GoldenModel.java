package io.github.sparkmixtral.cpu;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;
import java.util.zip.GZIPInputStream;

/**
 * A model under {@code golden/models} and what Hugging Face transformers computes with it; {@code models.py} makes them.
 *
 * @param path what a user would give as {@code --model}
 * @param prompt token ids
 * @param greedy the tokens that greedy generation appends to the prompt
 * @param logits {@code [prompt, vocabulary]}
 */
record GoldenModel(Path path, int[] prompt, int[] greedy, float[] logits) {

    static GoldenModel of(String name) {
        Path directory = directory().resolve(name);
        Path gguf = directory.resolve("model.gguf");
        JsonNode golden = json(name + "/golden.json");
        return new GoldenModel(
                Files.exists(gguf) ? gguf : directory,
                ints(golden.get("prompt")),
                ints(golden.get("greedy")),
                floats(name + "/logits.gz"));
    }

    static JsonNode json(String file) {
        try {
            return new ObjectMapper().readTree(directory().resolve(file).toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Little-endian floats, compressed. */
    static float[] floats(String file) {
        try (InputStream in =
                new GZIPInputStream(Files.newInputStream(directory().resolve(file)))) {
            ByteBuffer bytes = ByteBuffer.wrap(in.readAllBytes()).order(ByteOrder.LITTLE_ENDIAN);
            float[] floats = new float[bytes.remaining() / Float.BYTES];
            bytes.asFloatBuffer().get(floats);
            return floats;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static int[] ints(JsonNode array) {
        return IntStream.range(0, array.size())
                .map(i -> array.get(i).intValue())
                .toArray();
    }

    private static Path directory() {
        try {
            return Path.of(GoldenModel.class.getResource("/golden/models").toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }
}
