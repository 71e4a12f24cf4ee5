package io.github.sparkmixtral.job.retrieval;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.job.options.TextLanguage;
import io.github.sparkmixtral.job.options.Version;
import java.io.IOException;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;

/**
 * What an index holds, and what it was made of: {@code _index.json}, the last of its files to be written.
 *
 * @param fingerprint JSON of what decides the content: options, documents and, for vectors, the model
 * @param vectors null for an index without
 * @param documents that have chunks
 * @param skipped documents without a text
 * @param parts in the order in which they are searched
 */
public record IndexDescriptor(
        String fingerprint, Vectors vectors, TextLanguage language, long documents, long skipped, List<Part> parts)
        implements Serializable {
    static final String FILE = "_index.json";
    private static final int VERSION = 1;
    private static final JsonMapper JSON = new JsonMapper();

    /**
     * Where an index's vectors come from.
     *
     * @param model digest of the model's files
     * @param modelName for messages
     * @param quantization of its weights
     * @param pooling how a chunk's tokens become one vector
     */
    public record Vectors(String model, String modelName, String quantization, String pooling, int dimension)
            implements Serializable {}

    /**
     * A file of the index.
     *
     * @param name in the index's directory
     */
    public record Part(String name, long chunks, long bytes) implements Serializable {}

    /** It was written by another version, or by somebody else. */
    static final class UnreadableException extends IOException {
        private static final long serialVersionUID = 1;

        private UnreadableException(String reason) {
            super(reason);
        }
    }

    public IndexDescriptor {
        // Serializes without List.of's proxy, which Spark's task class loader cannot always see through.
        parts = new ArrayList<>(parts);
    }

    public long chunks() {
        return parts.stream().mapToLong(Part::chunks).sum();
    }

    /** SHA-256 of all that decides what is found; not of the parts' bytes, which differ when the same index is built again. */
    public String digest() {
        ObjectNode content = content();
        // When a document was written says nothing of it.
        content.path("fingerprint").path("input").path("files").forEach(file -> ((ObjectNode) file).remove("time"));
        ArrayNode counts = content.putArray("chunks");
        parts.forEach(part -> counts.add(part.chunks()));
        return sha256(content.toString());
    }

    /** A name that no other index has, nor the same one built again. */
    String uniqueName() {
        return sha256(json()).substring(0, 16);
    }

    private static String sha256(String text) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    private ObjectNode content() {
        ObjectNode root = JSON.createObjectNode();
        try {
            root.set("fingerprint", JSON.readTree(fingerprint));
        } catch (JacksonException e) {
            throw new IllegalStateException("a fingerprint is JSON", e);
        }
        if (vectors != null) {
            root.putObject("vectors")
                    .put("model", vectors.model())
                    .put("model_name", vectors.modelName())
                    .put("quantization", vectors.quantization())
                    .put("pooling", vectors.pooling())
                    .put("dimension", vectors.dimension());
        }
        return root.put("language", OptionValues.text(language))
                .put("documents", documents)
                .put("skipped", skipped);
    }

    String json() {
        ObjectNode root = JSON.createObjectNode();
        root.put("schema_version", VERSION)
                .put("spark_mixtral", Version.job())
                .put("lucene", org.apache.lucene.util.Version.LATEST.toString());
        root.setAll(content());
        root.put("chunks", chunks());
        ArrayNode list = root.putArray("parts");
        parts.forEach(part -> list.addObject()
                .put("name", part.name())
                .put("chunks", part.chunks())
                .put("bytes", part.bytes()));
        return root.toPrettyString();
    }

    /**
     * Reads it.
     *
     * @throws UnreadableException whose message goes on a sentence about the file
     */
    static IndexDescriptor of(byte[] json) throws UnreadableException {
        try {
            JsonNode root = JSON.readTree(json);
            if (root.path("schema_version").asInt() != VERSION) {
                throw new UnreadableException("is of another version of spark-mixtral");
            }
            List<Part> parts = new ArrayList<>();
            for (JsonNode part : root.path("parts")) {
                parts.add(new Part(
                        part.path("name").asText(),
                        part.path("chunks").asLong(),
                        part.path("bytes").asLong()));
            }
            return new IndexDescriptor(
                    root.path("fingerprint").toString(),
                    vectors(root.path("vectors")),
                    TextLanguage.valueOf(root.path("language").asText().toUpperCase(Locale.ROOT)),
                    root.path("documents").asLong(),
                    root.path("skipped").asLong(),
                    parts);
        } catch (IllegalArgumentException | IOException e) {
            throw e instanceof UnreadableException unreadable
                    ? unreadable
                    : new UnreadableException("is not what spark-mixtral index writes");
        }
    }

    private static Vectors vectors(JsonNode node) {
        return node.isObject()
                ? new Vectors(
                        node.path("model").asText(),
                        node.path("model_name").asText(),
                        node.path("quantization").asText(),
                        node.path("pooling").asText(),
                        node.path("dimension").asInt())
                : null;
    }
}
