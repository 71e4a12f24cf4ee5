package io.github.sparkmixtral.testkit;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.engine.Backend;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.zip.GZIPInputStream;

/**
 * A model under {@code src/golden/models} and what Hugging Face transformers computes with it; {@code models.py} and {@code quantized.py} make
 * them.
 *
 * @param path what a user would give as {@code --model}
 * @param prompt token ids
 * @param greedy the tokens that greedy generation appends to the prompt
 * @param logits {@code [prompt, vocabulary]}
 */
public record GoldenModel(Path path, int[] prompt, int[] greedy, float[] logits) {

    private static final int[] BLOCKS = IntStream.range(0, 16).map(i -> 15 - i).toArray();

    public static GoldenModel of(String name) {
        Path directory = directory().resolve(name);
        Path gguf = directory.resolve("model.gguf");
        JsonNode golden = json(name + "/golden.json");
        return new GoldenModel(
                Files.exists(gguf) ? gguf : directory,
                ints(golden.get("prompt")),
                ints(golden.get("greedy")),
                floats(name + "/logits.gz"));
    }

    public static JsonNode json(String file) {
        try {
            return new ObjectMapper().readTree(directory().resolve(file).toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Little-endian floats, compressed. */
    public static float[] floats(String file) {
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

    /** Relative to the folder of any module of kernels, where its tests run: a model cannot be mapped out of a jar. */
    private static Path directory() {
        return Path.of("../testkit/src/golden/models");
    }

    /** The backend's logits of the prompt, {@code [prompt, vocabulary]}, computed in one step. */
    public float[] logits(Backend backend) {
        float[] logits = backend.forward(new Batches()
                .add(prompt, 0, prompt.length, BLOCKS, prompt.length)
                .build());
        return Arrays.copyOf(logits, prompt.length * backend.vocabularySize());
    }

    /** The tokens that the backend's highest logits append to the prompt, as many as transformers appended. */
    public int[] greedy(Backend backend) {
        int[] tokens = Arrays.copyOf(prompt, prompt.length + greedy.length);
        int computed = 0;
        for (int known = prompt.length; known < tokens.length; known++) {
            float[] logits = backend.forward(
                    new Batches().add(tokens, computed, known, BLOCKS, 1).build());
            tokens[known] = IntStream.range(0, backend.vocabularySize())
                    .reduce(0, (best, i) -> logits[i] > logits[best] ? i : best);
            computed = known;
        }
        return Arrays.copyOfRange(tokens, prompt.length, tokens.length);
    }
}
