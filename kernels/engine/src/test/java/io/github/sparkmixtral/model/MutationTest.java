package io.github.sparkmixtral.model;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.gguf.GgufFile;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.testkit.TinyMixtral;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/**
 * Damaged files, by the hundred thousand: each is refused with a {@link ModelException}, or read as a model whose every tensor
 * lies inside of its file; and none makes the parser allocate much more than an undamaged one does.
 */
class MutationTest {
    private static final int MUTANTS = 100_000;
    private static final long SEED = 20240111;
    private static final long MOST_ALLOCATED = 8 << 20;

    private static final long[] AWKWARD = {
        0,
        1,
        2,
        31,
        32,
        255,
        256,
        65535,
        65536,
        Integer.MAX_VALUE,
        1L << 31,
        (1L << 32) - 1,
        1L << 32,
        1L << 61,
        1L << 62,
        Long.MAX_VALUE - 31,
        Long.MAX_VALUE,
        Long.MIN_VALUE,
        -1,
        -32
    };

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private final Random random = new Random(SEED);
    private final Map<String, MemorySegment> mapped = new LinkedHashMap<>();
    private int refused;
    private int read;

    @Test
    void mutatedGguf() {
        Map<String, Object> metadata = TinyMixtral.ggufMetadata();
        metadata.putAll(TinyMixtral.ggufTokenizer());
        byte[] whole = TinyMixtral.gguf(metadata, TinyMixtral.ggufTensors(true));
        byte[] older = TinyMixtral.gguf(metadata, TinyMixtral.ggufTensors(false));
        int wholeHeaders = ggufHeaders(whole);
        int olderHeaders = ggufHeaders(older);
        for (int i = 0; i < MUTANTS; i++) {
            byte[] mutant = i % 4 == 0
                    ? mutated(older, olderHeaders, this::mutatedBytes)
                    : mutated(whole, wholeHeaders, this::mutatedBytes);
            try (Arena arena = Arena.ofConfined()) {
                map("x.gguf", mutant, arena);
                check(this::readGguf, i);
            }
        }
        assertBothHappened();
    }

    @Test
    void mutatedHuggingFaceDirectory() {
        Map<String, byte[]> files = sharded();
        List<String> names = List.copyOf(files.keySet());
        try (Arena arena = Arena.ofConfined()) {
            files.forEach((name, content) -> map(name, content, arena));
            for (int i = 0; i < MUTANTS; i++) {
                String name = names.get(i % names.size());
                byte[] content = files.get(name);
                boolean binary = name.endsWith(".safetensors");
                int front = binary ? (int) littleLong(content) + 8 : content.length;
                byte[] mutant = mutated(content, front, binary && i % 2 == 0 ? this::mutatedBytes : this::mutatedText);
                if (binary && i % 2 == 1) {
                    mutant = withHeaderLength(mutant, mutant.length - content.length);
                }
                MemorySegment before = mapped.get(name);
                try (Arena mutantArena = Arena.ofConfined()) {
                    map(name, mutant, mutantArena);
                    check(this::readDirectory, i);
                } finally {
                    mapped.put(name, before);
                }
            }
        }
        assertBothHappened();
    }

    /** Bytes before the data, which may hold anything: only headers can lie. */
    private static int ggufHeaders(byte[] file) {
        return (int)
                GgufFile.read("dir", "x.gguf", TinyMixtral.opener(Map.of("x.gguf", file))).tensors().values().stream()
                        .mapToLong(tensor -> tensor.data().address())
                        .min()
                        .orElseThrow();
    }

    private Weights readGguf() {
        GgufFile file = GgufFile.read("dir", "x.gguf", opener());
        Weights weights = GgufCheckpoint.read(file).weights();
        Tokenizer tokenizer = Tokenizer.of(GgufCheckpoint.vocabulary(file));
        assertThat(tokenizer.vocabularySize()).isPositive();
        return weights;
    }

    private Weights readDirectory() {
        return HuggingFaceCheckpoint.read("dir", opener()).weights();
    }

    private void check(Supplier<Weights> parser, int mutant) {
        long allocated = THREADS.getCurrentThreadAllocatedBytes();
        try {
            Weights weights = parser.get();
            weights.map(tensor -> {
                assertInside(tensor);
                return tensor;
            });
            read++;
        } catch (ModelException e) {
            assertThat(e.getMessage()).contains("dir").hasSizeLessThan(2000);
            refused++;
        } catch (RuntimeException | Error e) {
            throw new AssertionError("mutant " + mutant, e);
        }
        assertThat(THREADS.getCurrentThreadAllocatedBytes() - allocated)
                .as("bytes that mutant %d allocated", mutant)
                .isLessThan(MOST_ALLOCATED);
    }

    private void assertInside(Tensor tensor) {
        long begin = tensor.data().address();
        long end = begin + tensor.data().byteSize();
        boolean sized = tensor.data().byteSize() == tensor.type().bytes(tensor.elements());
        boolean inside = false;
        for (MemorySegment file : mapped.values()) {
            inside |= file.address() <= begin && end <= file.address() + file.byteSize();
        }
        if (!sized || !inside) {
            throw new AssertionError(tensor + " lies outside of its file");
        }
    }

    /** A test whose mutants all fail, or all pass, would show nothing. */
    private void assertBothHappened() {
        assertThat(refused + read).isEqualTo(MUTANTS);
        assertThat(refused).isGreaterThan(MUTANTS / 4);
        assertThat(read).isGreaterThan(MUTANTS / 100);
    }

    private Function<String, Optional<MemorySegment>> opener() {
        return name -> Optional.ofNullable(mapped.get(name));
    }

    private void map(String name, byte[] content, Arena arena) {
        MemorySegment segment = arena.allocate(Math.max(1, content.length), 1).asSlice(0, content.length);
        mapped.put(name, segment.copyFrom(MemorySegment.ofArray(content)));
    }

    private static Map<String, byte[]> sharded() {
        Map<String, byte[]> files = new LinkedHashMap<>();
        files.put("config.json", TinyMixtral.json(TinyMixtral.config()));
        Map<String, TinyMixtral.Values> first = new LinkedHashMap<>(TinyMixtral.stacked());
        Map<String, TinyMixtral.Values> second = new LinkedHashMap<>();
        List<String> index = new ArrayList<>();
        for (String name : List.copyOf(first.keySet())) {
            boolean later = name.startsWith("model.layers.1");
            if (later) {
                second.put(name, first.remove(name));
            }
            index.add("\"%s\":\"%s.safetensors\"".formatted(name, later ? "two" : "one"));
        }
        files.put(
                "model.safetensors.index.json",
                ("{\"metadata\":{\"total_size\":7},\"weight_map\":{" + String.join(",", index) + "}}")
                        .getBytes(StandardCharsets.UTF_8));
        files.put("one.safetensors", TinyMixtral.safetensors(first));
        files.put("two.safetensors", TinyMixtral.safetensors(second));
        return files;
    }

    /** One to three changes to the first {@code front} bytes, or, at times, a truncation anywhere. */
    private byte[] mutated(byte[] source, int front, UnaryOperator<byte[]> change) {
        if (random.nextInt(20) == 0) {
            return Arrays.copyOf(source, random.nextInt(source.length));
        }
        byte[] head = Arrays.copyOf(source, front);
        for (int changes = 1 + random.nextInt(3); changes > 0; changes--) {
            head = change.apply(head);
        }
        byte[] mutant = Arrays.copyOf(head, head.length + source.length - front);
        System.arraycopy(source, front, mutant, head.length, source.length - front);
        return mutant;
    }

    private byte[] mutatedBytes(byte[] bytes) {
        int at = random.nextInt(bytes.length);
        switch (random.nextInt(6)) {
            case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
            case 1 -> bytes[at] = (byte) random.nextInt();
            case 2 -> put(bytes, at, awkward(), 8);
            case 3 -> put(bytes, at, awkward(), 4);
            case 4 -> {
                int from = random.nextInt(bytes.length);
                System.arraycopy(
                        bytes, from, bytes, at, Math.min(random.nextInt(64), bytes.length - Math.max(at, from)));
            }
            default -> {
                return spliced(bytes, at);
            }
        }
        return bytes;
    }

    /** Replaces a number, or a character that JSON cares for, or does what {@link #mutatedBytes} does. */
    private byte[] mutatedText(byte[] bytes) {
        int at = random.nextInt(bytes.length);
        int kind = random.nextInt(4);
        if (kind == 3) {
            return mutatedBytes(bytes);
        }
        for (int i = at; i < bytes.length; i++) {
            boolean digit = bytes[i] >= '0' && bytes[i] <= '9';
            if (kind < 2 && digit) {
                int end = i;
                while (end < bytes.length && bytes[end] >= '0' && bytes[end] <= '9') {
                    end++;
                }
                return replaced(bytes, i, end, Long.toString(awkward()));
            }
            if (kind == 2 && "{}[]\":,".indexOf(bytes[i]) >= 0) {
                String[] others = {"{", "}", "[", "]", "\"", ":", ",", "null", "-1", "\\u0000", "/../"};
                return replaced(bytes, i, i + random.nextInt(2), others[random.nextInt(others.length)]);
            }
        }
        return bytes;
    }

    private long awkward() {
        return random.nextInt(3) == 0 ? random.nextInt(300) : AWKWARD[random.nextInt(AWKWARD.length)];
    }

    private byte[] spliced(byte[] bytes, int at) {
        int length = Math.min(random.nextInt(32), bytes.length - at - 1);
        return random.nextBoolean()
                ? replaced(bytes, at, at + length, "")
                : replaced(bytes, at, at, new String(bytes, at, length, StandardCharsets.ISO_8859_1));
    }

    private static byte[] replaced(byte[] bytes, int from, int to, String by) {
        byte[] out = Arrays.copyOf(bytes, from + by.length() + bytes.length - to);
        System.arraycopy(by.getBytes(StandardCharsets.ISO_8859_1), 0, out, from, by.length());
        System.arraycopy(bytes, to, out, from + by.length(), bytes.length - to);
        return out;
    }

    private static void put(byte[] bytes, int at, long value, int width) {
        for (int i = 0; i < width && at + i < bytes.length; i++) {
            bytes[at + i] = (byte) (value >>> 8 * i);
        }
    }

    private static long littleLong(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
    }

    /** Lets the header's length follow a change of it, so that the mutant gets past the first check. */
    private static byte[] withHeaderLength(byte[] file, int grown) {
        if (file.length >= 8) {
            put(file, 0, littleLong(file) + grown, 8);
        }
        return file;
    }
}
