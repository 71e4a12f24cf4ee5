package io.github.sparkmixtral.job.retrieval;

import io.github.sparkmixtral.Mixtral;
import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.options.ContextMode;
import io.github.sparkmixtral.job.options.TextLanguage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Measures on the demo's documents how often the passage that answers a question is found, and how often the answer is right, and
 * prints the tables of {@code job/README.md}. It runs only if it is named: {@code -Dtest=RetrievalQuality}.
 */
class RetrievalQuality {
    private static final Path DEMO = SparkFixture.MODEL.getParent();
    private static final int MOST = 10;
    private static final int RANDOM_VECTORS = 20_000;

    @TempDir
    private Path directory;

    @Test
    void printTheTables() throws IOException {
        run(List.of(
                "index",
                "--model",
                SparkFixture.MODEL,
                "--input",
                DEMO.resolve("documents.jsonl"),
                "--output",
                index(),
                "--chunk-size",
                100,
                "--chunk-overlap",
                0));
        System.out.println("| passages | found in 1 | in 3 | in 10 | right answers | \"does not say\" |");
        System.out.println("|---|---:|---:|---:|---:|---:|");
        Dataset<Row> none = answers("none", List.of());
        System.out.printf(Locale.ROOT, "| none | | | | %d %% | %s |%n", right(none), absent(none));
        for (String mode : List.of("bm25", "vector", "hybrid")) {
            Dataset<Row> found = answers(mode + "10", List.of("--context-mode", mode, "--context-k", MOST));
            Dataset<Row> answered = answers(mode, List.of("--context-mode", mode, "--context-k", 3));
            System.out.printf(
                    Locale.ROOT,
                    "| %s | %d %% | %d %% | %d %% | %d %% | %s |%n",
                    mode,
                    found(found, 1),
                    found(found, 3),
                    found(found, MOST),
                    right(answered),
                    absent(answered));
        }
        System.out.printf(Locale.ROOT, "Of the 10 nearest chunks, %.1f %% are found%n", 100 * nearestFound());
        System.out.printf(
                Locale.ROOT,
                "Of the 10 nearest of %,d random vectors in 4 parts, %.1f %% are found%n",
                RANDOM_VECTORS,
                100 * randomFound());
    }

    private Path index() {
        return directory.resolve("index");
    }

    private static void run(List<Object> arguments) {
        Outcome outcome = SparkFixture.run(arguments.toArray());
        if (outcome.exitCode() != ExitCode.DONE) {
            throw new IllegalStateException(outcome.lastLine());
        }
    }

    private Dataset<Row> answers(String name, List<Object> options) {
        Path output = directory.resolve(name);
        List<Object> arguments = new ArrayList<>(List.of("--model", SparkFixture.MODEL, "--output", output));
        arguments.addAll(List.of("--input", DEMO.resolve("questions.jsonl"), "--temperature", 0));
        if (!options.isEmpty()) {
            arguments.addAll(List.of("--context-index", index()));
            arguments.addAll(options);
        }
        run(arguments);
        return SparkFixture.spark().read().parquet(output.toString());
    }

    /** In percent of the questions that a document answers. */
    private static long found(Dataset<Row> answers, int k) {
        return answers.where("exists(slice(contexts, 1, " + k + "), c -> contains(c.text, sentence))")
                .count();
    }

    private static long right(Dataset<Row> answers) {
        return answers.where("document IS NOT NULL AND trim(generated_text) = expected")
                .count();
    }

    private static String absent(Dataset<Row> answers) {
        Dataset<Row> absent = answers.where("document IS NULL");
        return absent.where("trim(generated_text) = expected").count() + " of " + absent.count();
    }

    /** Of the nearest chunks by comparing all, the share that a search for vectors finds. */
    private double nearestFound() {
        List<String> ids = new ArrayList<>();
        List<String> texts = new ArrayList<>();
        for (Row document : SparkFixture.spark()
                .read()
                .json(DEMO.resolve("documents.jsonl").toString())
                .collectAsList()) {
            List<String> chunks = TextChunker.ofCharacters(100, 0).chunks(document.getAs("text"));
            for (int i = 0; i < chunks.size(); i++) {
                ids.add(document.getAs("id") + "#" + (i + 1));
                texts.add(chunks.get(i));
            }
        }
        List<float[]> vectors = embeddings(texts);
        List<Row> answers = SparkFixture.spark()
                .read()
                .parquet(directory.resolve("vector10").toString())
                .collectAsList();
        List<float[]> questions = embeddings(
                answers.stream().map(row -> row.<String>getAs("prompt")).toList());
        double found = 0;
        for (int i = 0; i < answers.size(); i++) {
            List<String> nearest = nearest(questions.get(i), ids, vectors);
            found += answers.get(i).<Row>getList(answers.get(i).fieldIndex("contexts")).stream()
                    .filter(passage -> nearest.contains(passage.getString(0)))
                    .count();
        }
        return found / (MOST * answers.size());
    }

    /** The same for vectors that have nothing in common, which are the hardest to find. */
    private double randomFound() throws IOException {
        Random random = new Random(1);
        List<String> ids = new ArrayList<>();
        List<float[]> vectors = new ArrayList<>();
        List<Path> parts = new ArrayList<>();
        for (int part = 0; part < 4; part++) {
            try (PartWriter writer = new PartWriter(directory.resolve("work"), TextLanguage.ANY)) {
                for (int i = 0; i < RANDOM_VECTORS / 4; i++) {
                    ids.add(part + "-" + i);
                    vectors.add(randomVector(random));
                    writer.add(new Chunk(ids.getLast(), ids.getLast(), 1, "", "{}", null), vectors.getLast());
                }
                parts.add(Files.move(writer.pack(), directory.resolve(part + ".tar")));
            }
        }
        double found = 0;
        int questions = 100;
        try (ContextIndex index = new ContextIndex(parts, TextLanguage.ANY)) {
            for (int i = 0; i < questions; i++) {
                float[] question = randomVector(random);
                List<String> nearest = nearest(question, ids, vectors);
                found += index.search("", question, MOST, ContextMode.VECTOR).stream()
                        .filter(passage -> nearest.contains(passage.id()))
                        .count();
            }
        }
        return found / (MOST * questions);
    }

    private static float[] randomVector(Random random) {
        float[] vector = new float[128];
        for (int i = 0; i < vector.length; i++) {
            vector[i] = (float) random.nextGaussian();
        }
        return IndexFields.normalized(vector);
    }

    private static List<float[]> embeddings(List<String> texts) {
        Dataset<Row> table = SparkFixture.spark()
                .createDataset(texts, org.apache.spark.sql.Encoders.STRING())
                .toDF("prompt")
                .coalesce(1);
        try (Mixtral mixtral =
                Mixtral.load(SparkFixture.spark(), SparkFixture.MODEL.toString(), Map.of("task", "embed"))) {
            return mixtral.generate(table).collectAsList().stream()
                    .map(row -> row.<Float>getList(row.fieldIndex("embedding")))
                    .map(values -> {
                        float[] vector = new float[values.size()];
                        for (int i = 0; i < vector.length; i++) {
                            vector[i] = values.get(i);
                        }
                        return IndexFields.normalized(vector);
                    })
                    .toList();
        }
    }

    private static List<String> nearest(float[] question, List<String> ids, List<float[]> vectors) {
        Map<String, Double> cosines = new HashMap<>();
        for (int i = 0; i < ids.size(); i++) {
            double sum = 0;
            for (int j = 0; j < question.length; j++) {
                sum += question[j] * vectors.get(i)[j];
            }
            cosines.put(ids.get(i), sum);
        }
        return cosines.entrySet().stream()
                .sorted(Map.Entry.<String, Double>comparingByValue(Comparator.reverseOrder())
                        .thenComparing(Map.Entry.comparingByKey()))
                .limit(MOST)
                .map(Map.Entry::getKey)
                .toList();
    }
}
