package io.github.sparkmixtral.job.output;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.agent.AgentOptions;
import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.job.model.FileDigest;
import io.github.sparkmixtral.job.model.ModelCache;
import io.github.sparkmixtral.job.options.GenerationArguments;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.InputSource;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.Uris;
import io.github.sparkmixtral.model.ModelDescription;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;

/**
 * What decides the answers of a job: a rerun with another one is another job.
 *
 * @param json {@code model}, {@code options} and {@code input}; and {@code columns}, what the rows have decided that columns are
 */
public record Fingerprint(ObjectNode json) {
    /** Of a large input file, beside its time. */
    private static final int SAMPLES = 32;

    private static final String COMMIT = "commit";
    private static final String CONTEXT = "context";
    private static final JsonMapper JSON = new JsonMapper();

    /** Options that change how a job runs, what it tells or where it writes, but no answer. */
    private static final Set<String> WITHOUT_EFFECT = Set.of(
            "config",
            "model",
            "model-cache",
            "input",
            "context-index",
            "documents",
            "documents-format",
            "text-column",
            "chunk-size",
            "chunk-overlap",
            "chunk-unit",
            "language",
            "output",
            "output-mode",
            "output-table",
            "table-format",
            "retry-failed",
            "chunk-rows",
            "partitions",
            "max-error-ratio",
            "fail-on-error",
            "show",
            "expected-column",
            "expected-match",
            "min-score",
            "baseline",
            "score-by",
            "deadline",
            "max-total-tokens",
            "dry-run",
            "calibration-seconds",
            "price-per-hour",
            "max-num-seqs",
            "max-num-batched-tokens",
            "kv-cache-memory",
            "num-threads",
            "verbose",
            "help",
            "version");

    static Fingerprint of(JsonNode json) {
        return new Fingerprint(json instanceof ObjectNode object ? object : JSON.createObjectNode());
    }

    /** Reads what {@link #json} has written. */
    public static Fingerprint parse(String json) throws IOException {
        return of(JSON.readTree(json));
    }

    /**
     * Takes that of an index of documents.
     *
     * @param settings options that decide what it holds
     * @param modelDigest of the model whose embeddings it holds; null for none
     * @param files of the documents; none for a table
     */
    public static Fingerprint ofDocuments(
            Map<String, List<String>> settings,
            String modelDigest,
            InputSource source,
            List<FileStatus> files,
            Configuration configuration)
            throws IOException {
        ObjectNode root = JSON.createObjectNode();
        if (modelDigest != null) {
            root.putObject("model").put("digest", modelDigest);
        }
        root.set("options", JSON.valueToTree(settings));
        putInput(root, source.paths(), files, configuration);
        return new Fingerprint(root);
    }

    /**
     * Takes a job's.
     *
     * @param modelDigest of the model's files
     * @param contextDigest of the index that passages come from; null for none
     * @param files of the input; none for a table
     */
    static Fingerprint of(
            JobOptions options,
            ModelDescription model,
            String modelDigest,
            String contextDigest,
            List<FileStatus> files,
            Configuration configuration)
            throws IOException {
        ObjectNode root = JSON.createObjectNode();
        ObjectNode loaded = root.putObject("model")
                .put("format", model.format())
                .put("parameters", model.parameters())
                .put("digest", modelDigest);
        ModelCache.commit(options.generation().engine().model()).ifPresent(commit -> loaded.put(COMMIT, commit));
        ObjectNode settings = root.putObject("options");
        options.resolved().forEach((name, values) -> {
            if (!WITHOUT_EFFECT.contains(name)) {
                settings.set(name, JSON.valueToTree(values));
            }
        });
        String chatTemplate = options.generation().defaults().chatTemplate();
        if (chatTemplate != null && !chatTemplate.matches("[a-z0-9-]+")) {
            // What the file says, not what it is called.
            settings.put(
                    "chat-template",
                    UUID.nameUUIDFromBytes(chatTemplate.getBytes(StandardCharsets.UTF_8))
                            .toString());
        }
        AgentOptions agent = options.generation().defaults().agent();
        if (agent != null && agent.prompt() != null) {
            settings.put(
                    "agent-prompt",
                    UUID.nameUUIDFromBytes(agent.prompt().getBytes(StandardCharsets.UTF_8))
                            .toString());
        }
        putFormats(options, settings);
        if (contextDigest != null) {
            root.put(CONTEXT, contextDigest);
        }
        putInput(root, options.input(), files, configuration);
        return new Fingerprint(root);
    }

    private static void putInput(
            ObjectNode root, List<String> paths, List<FileStatus> files, Configuration configuration)
            throws IOException {
        ObjectNode input = root.putObject("input");
        if (files.isEmpty()) {
            input.put("table", paths.getFirst());
        }
        ObjectNode sizes = input.putObject("files");
        for (FileStatus file : files) {
            sizes.putObject(uri(file))
                    .put("size", file.getLen())
                    .put("time", file.getModificationTime())
                    .put("digest", FileDigest.of(file, file.getLen(), SAMPLES, configuration));
        }
    }

    /** Of a format in a file, too, what it says. */
    private static void putFormats(JobOptions options, ObjectNode settings) {
        StructuredOutput format = options.generation().defaults().parameters().structuredOutput();
        for (String option : GenerationArguments.FORMATS) {
            String name = option.substring(2);
            JsonNode given = settings.path(name).path(0);
            if (given.isTextual() && !given.textValue().strip().startsWith("{")) {
                String text = format == null ? "" : format.kind() + format.text();
                settings.put(
                        name,
                        UUID.nameUUIDFromBytes(text.getBytes(StandardCharsets.UTF_8))
                                .toString());
            }
        }
    }

    private static String uri(FileStatus file) {
        return Uris.normalized(file.getPath().toUri().toString());
    }

    /**
     * What of an earlier run's this one changes; nothing where it is the same job, whose input may have grown.
     *
     * @param files of the input now
     */
    public List<String> differencesFrom(
            Fingerprint earlier, InputFormat format, List<FileStatus> files, Configuration configuration)
            throws IOException {
        List<String> differences = new ArrayList<>();
        // As text: what was read has other types of numbers than what was made.
        if (!json.path("model").toString().equals(earlier.json.path("model").toString())) {
            differences.add("the model is another one" + commits(earlier));
        }
        if (!json.path(CONTEXT).equals(earlier.json.path(CONTEXT))) {
            differences.add("the index of --context-index is another one");
        }
        differences.addAll(optionDifferences(earlier));
        JsonNode table = earlier.json.path("input").path("table");
        if (!table.equals(json.path("input").path("table"))) {
            differences.add("the input is another one");
        }
        differences.addAll(fileDifferences(earlier, format, files, configuration));
        return differences;
    }

    /** What a model of the Hugging Face Hub was and is; a branch moves without anyone's doing. */
    private String commits(Fingerprint earlier) {
        String then = earlier.json.path("model").path(COMMIT).asText();
        String now = json.path("model").path(COMMIT).asText();
        return then.isEmpty() || then.equals(now)
                ? ""
                : " (commit " + then + (now.isEmpty() ? "" : ", not " + now) + ": add @" + then + " to keep to it)";
    }

    private List<String> optionDifferences(Fingerprint earlier) {
        List<String> differences = new ArrayList<>();
        JsonNode before = earlier.json.path("options");
        Set<String> names = new java.util.TreeSet<>();
        before.fieldNames().forEachRemaining(names::add);
        json.path("options").fieldNames().forEachRemaining(names::add);
        for (String name : names) {
            JsonNode then = before.path(name);
            JsonNode now = json.path("options").path(name);
            if (!then.toString().equals(now.toString())) {
                differences.add("--" + name + " was " + shown(then) + " and is " + shown(now));
            }
        }
        return differences;
    }

    private static String shown(JsonNode values) {
        List<String> texts = new ArrayList<>();
        values.forEach(value -> texts.add(value.asText()));
        return texts.isEmpty() ? "not given" : String.join(" ", texts);
    }

    private List<String> fileDifferences(
            Fingerprint earlier, InputFormat format, List<FileStatus> files, Configuration configuration)
            throws IOException {
        List<String> differences = new ArrayList<>();
        Map<String, FileStatus> now = new java.util.HashMap<>();
        files.forEach(file -> now.put(uri(file), file));
        for (Map.Entry<String, JsonNode> entry :
                earlier.json.path("input").path("files").properties()) {
            String name = entry.getKey();
            FileStatus file = now.get(name);
            long size = entry.getValue().path("size").asLong();
            boolean touched = file != null
                    && size > FileDigest.WHOLE
                    && file.getLen() == size
                    && file.getModificationTime()
                            != entry.getValue().path("time").asLong();
            if (file == null) {
                differences.add("the input " + name + " is gone");
            } else if (touched
                    || file.getLen() < size
                    || file.getLen() > size && !mayGrow(format, name, file, size, configuration)
                    || !FileDigest.of(file, size, SAMPLES, configuration)
                            .equals(entry.getValue().path("digest").asText())) {
                differences.add("the input " + name + " has changed");
            }
        }
        return differences;
    }

    /** Whether what comes after the first bytes can be rows that were appended. */
    private static boolean mayGrow(
            InputFormat format, String name, FileStatus file, long size, Configuration configuration)
            throws IOException {
        boolean lines = format == InputFormat.JSONL || format == InputFormat.TEXT || format == InputFormat.CSV;
        boolean plain = InputFormat.isUncompressed(name);
        return lines && plain && FileDigest.endsLineAt(file, size, configuration);
    }

    /** Adds what columns were taken for, which the rows have decided. */
    void putColumns(Map<String, Boolean> meanings) {
        ObjectNode columns = json.putObject("columns");
        meanings.forEach(columns::put);
    }

    /** What columns are taken for now, where this job took them for something else. */
    List<String> columnsOtherThan(Map<String, Boolean> now) {
        List<String> differences = new ArrayList<>();
        now.forEach((name, meaning) -> {
            JsonNode before = json.path("columns").path(name);
            if (before.isBoolean() && before.booleanValue() != meaning) {
                differences.add("the rows that were added make the column " + name
                        + (meaning
                                ? " an id or a parameter, which was data"
                                : " data, which was an id or a parameter"));
            }
        });
        return differences;
    }

    /** Whether the input is what it was, so that it has no new rows. */
    public boolean hasInputOf(Fingerprint earlier) {
        JsonNode then = earlier.json.path("input").path("files");
        JsonNode now = json.path("input").path("files");
        if (json.path("input").has("table") || then.size() != now.size()) {
            return false;
        }
        for (Map.Entry<String, JsonNode> entry : then.properties()) {
            JsonNode file = now.path(entry.getKey());
            if (file.path("size").asLong() != entry.getValue().path("size").asLong()) {
                return false;
            }
        }
        return true;
    }
}
