package io.github.sparkmixtral.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.file.ModelException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Damaged tokenizer files give a {@link ModelException} that names the file, or a tokenizer that works; nothing else, and soon. */
class TokenizerMutationTest {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final JsonNode VALUES = values();
    private static final String TEXT = " Über naïve [REF] the of\n日本 \u0000 e1";

    private static JsonNode values() {
        try {
            return MAPPER.readTree(
                    "[null, true, false, 0, -1, 3, 4194305, 1e300, \"\", \"a\", \"▁\", \"<s>\", \"a b\", [], {}, [\"a\", \"b\"], {\"type\": \"BPE\"}]");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    @Timeout(120)
    void survivesMutantsOfTokenizerModel() throws IOException {
        Path base = GoldenFile.file("/golden/tokenizer/variants/across-words.model");
        mutate("tokenizer.model", Files.readAllBytes(base), 15_000, SentencePieceModel::read);
    }

    @Test
    @Timeout(120)
    void survivesMutantsOfTokenizerJson() throws IOException {
        Path base = GoldenFile.file("/golden/tokenizer/variants/base.json");
        mutate("tokenizer.json", Files.readAllBytes(base), 8_000, TokenizerJson::read);
    }

    @Test
    @Timeout(120)
    void survivesOtherValuesInTokenizerJson() throws IOException {
        Path base = GoldenFile.file("/golden/tokenizer/variants/base.json");
        JsonNode original = MAPPER.readTree(Files.readAllBytes(base));
        Function<Random, byte[]> mutant = random -> {
            JsonNode root = original.deepCopy();
            replaceOneValue(root, random);
            return root.toString().getBytes(StandardCharsets.UTF_8);
        };
        mutate("tokenizer.json", mutant, 4_000, TokenizerJson::read);
    }

    @Test
    @Timeout(60)
    void survivesMutantsOfMistralsModel() throws IOException {
        mutate("tokenizer.model.v1", Files.readAllBytes(Tokenizers.V1_FILE), 150, SentencePieceModel::read);
    }

    private void mutate(String name, byte[] original, int mutants, BiFunction<Path, byte[], Tokenizer> load) {
        mutate(name, random -> mutant(original, random), mutants, load);
    }

    private void mutate(
            String name, Function<Random, byte[]> mutant, int mutants, BiFunction<Path, byte[], Tokenizer> load) {
        Random random = new Random(20240111);
        Path file = Path.of(name);
        int refused = 0;
        int loaded = 0;
        for (int i = 0; i < mutants; i++) {
            try {
                Tokenizer tokenizer = load.apply(file, mutant.apply(random));
                int[] ids = tokenizer.encode(TEXT);
                assertThat(Arrays.stream(ids)).allMatch(id -> id >= 0 && id < tokenizer.vocabularySize());
                tokenizer.decode(ids);
                loaded++;
            } catch (ModelException e) {
                assertThat(e.getMessage()).contains(file.toString());
                refused++;
            } catch (RuntimeException e) {
                fail("mutant " + i + " of " + name, e);
            }
        }
        assertThat(refused).isGreaterThan(mutants / 20);
        assertThat(loaded).isGreaterThan(mutants / 200);
    }

    /** Walks down from the root and puts something else in the place of what it ends at. */
    private static void replaceOneValue(JsonNode root, Random random) {
        JsonNode node = root;
        while (true) {
            int at = random.nextInt(node.size());
            JsonNode child = node.valueStream().skip(at).findFirst().orElseThrow();
            if (child.isEmpty() || random.nextInt(4) == 0) {
                JsonNode value = VALUES.get(random.nextInt(VALUES.size())).deepCopy();
                switch (node) {
                    case ObjectNode object ->
                        object.set(
                                object.propertyStream()
                                        .skip(at)
                                        .findFirst()
                                        .orElseThrow()
                                        .getKey(),
                                value);
                    case ArrayNode array -> array.set(at, value);
                    default -> throw new IllegalStateException("no container");
                }
                return;
            }
            node = child;
        }
    }

    private static byte[] mutant(byte[] original, Random random) {
        byte[] mutant = original.clone();
        for (int edits = 1 + random.nextInt(3); edits > 0; edits--) {
            int at = random.nextInt(mutant.length);
            switch (random.nextInt(8)) {
                case 0 -> mutant = Arrays.copyOf(mutant, Math.max(at, 1));
                case 1 -> mutant[at] = (byte) 0xFF;
                case 2 -> mutant[at] = 0;
                case 3 -> mutant = spliced(mutant, at, random.nextInt(9), new byte[0]);
                case 4 -> mutant = spliced(mutant, at, 0, token(random));
                case 5 -> mutant = spliced(mutant, at, 3, token(random));
                default -> mutant[at] ^= (byte) (1 << random.nextInt(8));
            }
        }
        return mutant;
    }

    /** Something that means something to one of the formats. */
    private static byte[] token(Random random) {
        String[] tokens = {
            "null",
            "-1",
            "99999999999",
            "\"",
            "{",
            "]",
            ",",
            "[[",
            "1e400",
            "\uFFFF",
            "\n\u0005\n\u0001a",
            "\"<s>\":1,",
            "▁",
            "<0x41>"
        };
        if (random.nextInt(4) == 0) {
            byte[] varint = new byte[1 + random.nextInt(10)];
            Arrays.fill(varint, (byte) 0xFF);
            varint[varint.length - 1] = (byte) random.nextInt(128);
            return varint;
        }
        return tokens[random.nextInt(tokens.length)].getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] spliced(byte[] bytes, int at, int removed, byte[] inserted) {
        int end = Math.min(at + removed, bytes.length);
        byte[] result = new byte[at + inserted.length + bytes.length - end + 1];
        System.arraycopy(bytes, 0, result, 0, at);
        System.arraycopy(inserted, 0, result, at, inserted.length);
        System.arraycopy(bytes, end, result, at + inserted.length, bytes.length - end);
        return Arrays.copyOf(result, Math.max(result.length - 1, 1));
    }
}
