package io.github.sparkmixtral.job.retrieval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.sparkmixtral.job.input.Passage;
import io.github.sparkmixtral.job.options.ContextMode;
import io.github.sparkmixtral.job.options.TextLanguage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is written is found again, in all parts as in one. */
class ContextIndexTest {
    private static final int DIMENSION = 1536;
    private static final String[] WORDS =
            "river town mayor train bridge harbour lamp violin baker doctor founded sells lives leads costs weighs"
                    .split(" ");

    @TempDir
    private Path directory;

    private record Document(String text, float[] vector) {}

    private static List<Document> documents(int count, Random random) {
        List<Document> documents = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            StringBuilder text = new StringBuilder();
            int words = 3 + random.nextInt(10);
            for (int word = 0; word < words; word++) {
                text.append(WORDS[random.nextInt(WORDS.length)]).append(' ');
            }
            documents.add(new Document(text.toString().strip(), vector(random)));
        }
        return documents;
    }

    private static float[] vector(Random random) {
        float[] vector = new float[DIMENSION];
        for (int i = 0; i < DIMENSION; i++) {
            vector[i] = (float) random.nextGaussian();
        }
        return IndexFields.normalized(vector);
    }

    /** Spreads documents over parts, the first to the first, the second to the second and so on. */
    private ContextIndex index(List<Document> documents, int parts) throws IOException {
        List<Path> files = new ArrayList<>();
        for (int part = 0; part < parts; part++) {
            Path file = directory.resolve(parts + "-" + part + ".tar");
            try (PartWriter writer = new PartWriter(directory.resolve("work"), TextLanguage.ANY)) {
                for (int i = part; i < documents.size(); i += parts) {
                    Document document = documents.get(i);
                    String id = "d%03d".formatted(i);
                    writer.add(
                            new Chunk(id + "#1", id, 1, document.text(), "{\"n\":" + i + "}", null), document.vector());
                }
                Files.move(writer.pack(), file);
            }
            assertThat(directory.resolve("work")).doesNotExist();
            files.add(file);
        }
        return new ContextIndex(files, TextLanguage.ANY);
    }

    private static List<String> ids(List<Passage> passages) {
        return passages.stream().map(Passage::id).toList();
    }

    @Test
    void allPartsAreSearchedAsOne() throws IOException {
        Random random = new Random(1);
        List<Document> documents = documents(120, random);
        try (ContextIndex one = index(documents, 1);
                ContextIndex four = index(documents, 4)) {
            for (int i = 0; i < 30; i++) {
                String question = WORDS[random.nextInt(WORDS.length)] + " " + WORDS[random.nextInt(WORDS.length)];
                float[] vector = vector(random);
                for (ContextMode mode : ContextMode.values()) {
                    assertThat(four.search(question, vector, 7, mode))
                            .as("%s %s", mode, question)
                            .hasSize(7)
                            .isEqualTo(one.search(question, vector, 7, mode));
                }
            }
        }
    }

    @Test
    void vectorsAreFoundAsByComparingAll() throws IOException {
        Random random = new Random(2);
        List<Document> documents = documents(300, random);
        int found = 0;
        try (ContextIndex index = index(documents, 3)) {
            for (int i = 0; i < 50; i++) {
                float[] question = vector(random);
                List<String> nearest = nearest(documents, question, 4);
                List<Passage> passages = index.search("", question, 4, ContextMode.VECTOR);
                found += (int) ids(passages).stream().filter(nearest::contains).count();
                Passage best = passages.getFirst();
                Document document =
                        documents.get(Integer.parseInt(best.document().substring(1)));
                assertThat(best.score()).isCloseTo(dot(document.vector(), question), within(1e-5));
                assertThat(best.text()).isEqualTo(document.text());
            }
        }
        assertThat(found).as("of 200 nearest neighbours").isGreaterThanOrEqualTo(198);
    }

    private static List<String> nearest(List<Document> documents, float[] question, int k) {
        Map<String, Double> scores = new HashMap<>();
        for (int i = 0; i < documents.size(); i++) {
            scores.put("d%03d#1".formatted(i), dot(documents.get(i).vector(), question));
        }
        return scores.entrySet().stream()
                .sorted(Map.Entry.comparingByValue(Comparator.reverseOrder()))
                .limit(k)
                .map(Map.Entry::getKey)
                .toList();
    }

    private static double dot(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    @Test
    void equalScoresStandInTheOrderOfIds() throws IOException {
        List<Document> documents = new ArrayList<>();
        float[] vector = vector(new Random(4));
        for (int i = 0; i < 20; i++) {
            documents.add(new Document("the same words", vector));
        }
        try (ContextIndex index = index(documents, 4)) {
            for (ContextMode mode : ContextMode.values()) {
                assertThat(ids(index.search("same words", vector, 5, mode)))
                        .as(mode.name())
                        .containsExactly("d000#1", "d001#1", "d002#1", "d003#1", "d004#1");
            }
        }
    }

    @Test
    void fusionAddsReciprocalRanks() throws IOException {
        Random random = new Random(5);
        List<Document> documents = new ArrayList<>();
        documents.add(new Document("harbour harbour", vector(random)));
        documents.add(new Document("a bridge and a harbour", vector(random)));
        documents.add(new Document("a town", vector(random)));
        try (ContextIndex index = index(documents, 2)) {
            // The second document is second by words and first by its vector.
            List<Passage> fused = index.search("harbour", documents.get(1).vector(), 3, ContextMode.HYBRID);
            assertThat(ids(fused)).startsWith("d001#1").hasSize(3);
            assertThat(fused.getFirst().score()).isCloseTo(1.0 / 62 + 1.0 / 61, within(1e-9));
            assertThat(fused.getLast().id()).isIn("d000#1", "d002#1");
        }
    }

    @Test
    void whatIsNotThereIsNotFound() throws IOException {
        try (ContextIndex index = index(documents(5, new Random(6)), 1)) {
            assertThat(index.search("unheard", null, 3, ContextMode.BM25)).isEmpty();
            assertThat(index.search("?!", null, 3, ContextMode.BM25)).isEmpty();
            assertThat(index.search("", new float[DIMENSION], 3, ContextMode.VECTOR))
                    .isEmpty();
            String long0 = "river ".repeat(10_000) + "no ".repeat(10);
            assertThat(index.search(long0, null, 9, ContextMode.BM25)).isNotEmpty();
        }
    }

    @Test
    void wordFormsAreThoseOfTheLanguage() throws IOException {
        assertThat(foundInGerman("Wo ist das Haus am Fluss?", TextLanguage.GERMAN))
                .hasSize(1);
        assertThat(foundInGerman("Haus", TextLanguage.ANY)).isEmpty();
    }

    private List<Passage> foundInGerman(String question, TextLanguage language) throws IOException {
        try (PartWriter writer = new PartWriter(directory.resolve("work"), language)) {
            writer.add(new Chunk("a#1", "a", 1, "Die alten Häuser", "{}", null), null);
            Path file = Files.move(writer.pack(), directory.resolve(language + ".tar"));
            try (ContextIndex index = new ContextIndex(List.of(file), language)) {
                return index.search(question, null, 1, ContextMode.BM25);
            }
        }
    }
}
