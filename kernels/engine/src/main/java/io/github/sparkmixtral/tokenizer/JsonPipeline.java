package io.github.sparkmixtral.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The normalizer, the pre-tokenizer and the decoder of a {@code tokenizer.json}: the legacy normalizer or the newer {@code Metaspace}, and a
 * decoder with byte fallback. Anything else is refused by name.
 */
record JsonPipeline(Path file, JsonNode root) {
    private static final String SPACE = String.valueOf(Spacing.ESCAPED_SPACE);
    private static final String NORMALIZERS =
            "Prepend \"" + SPACE + "\" with Replace \" \" by \"" + SPACE + "\", or null";

    /** How spaces are treated when a text is encoded. */
    Spacing spacing() {
        JsonNode normalizer = root.path("normalizer");
        JsonNode preTokenizer = root.path("pre_tokenizer");
        if (isNull(preTokenizer)) {
            return ofNormalizers(normalizer);
        }
        if (!preTokenizer.path("type").asText().equals("Metaspace")) {
            throw TokenizerJson.fault(file, "pre_tokenizer", preTokenizer, "null or Metaspace");
        }
        if (!isNull(normalizer)) {
            throw TokenizerJson.fault(file, "normalizer", normalizer, "null beside the pre_tokenizer Metaspace");
        }
        if (!preTokenizer.path("replacement").asText().equals(SPACE)) {
            throw TokenizerJson.fault(
                    file, "pre_tokenizer.replacement", preTokenizer.path("replacement"), "\"" + SPACE + "\"");
        }
        // Files from before prepend_scheme have add_prefix_space, which stands for "always" or "never".
        String inherited = preTokenizer.path("add_prefix_space").asBoolean(true) ? "always" : "never";
        String scheme = preTokenizer.path("prepend_scheme").asText(inherited);
        Spacing.Prefix prefix = switch (scheme) {
            case "always" -> Spacing.Prefix.METASPACE_ALWAYS;
            case "first" -> Spacing.Prefix.METASPACE_FIRST;
            case "never" -> Spacing.Prefix.METASPACE_NEVER;
            default ->
                throw TokenizerJson.fault(
                        file,
                        "pre_tokenizer.prepend_scheme",
                        preTokenizer.path("prepend_scheme"),
                        "\"always\", \"first\" or \"never\"");
        };
        return new Spacing(prefix, true, false, preTokenizer.path("split").asBoolean(true));
    }

    private Spacing ofNormalizers(JsonNode normalizer) {
        boolean prepends = false;
        boolean escapes = false;
        for (JsonNode part : sequence(normalizer, "Sequence", "normalizers")) {
            String type = part.path("type").asText();
            if (type.equals("Prepend") && part.path("prepend").asText().equals(SPACE)) {
                prepends = true;
            } else if (type.equals("Replace") && isReplacement(part, " ", SPACE)) {
                escapes = true;
            } else {
                throw TokenizerJson.fault(file, "normalizer", part, NORMALIZERS);
            }
        }
        if (prepends && !escapes) {
            throw TokenizerJson.fault(file, "normalizer", normalizer, NORMALIZERS);
        }
        return new Spacing(prepends ? Spacing.Prefix.ALWAYS : Spacing.Prefix.NONE, escapes, false, false);
    }

    private static boolean isReplacement(JsonNode part, String from, String to) {
        return part.path("pattern").path("String").asText().equals(from)
                && part.path("content").asText().equals(to);
    }

    /** The parts of a sequence, or the single component itself, or nothing for null. */
    private static List<JsonNode> sequence(JsonNode component, String type, String field) {
        if (isNull(component)) {
            return List.of();
        }
        if (!component.path("type").asText().equals(type)) {
            return List.of(component);
        }
        List<JsonNode> parts = new ArrayList<>();
        component.path(field).forEach(parts::add);
        return parts;
    }

    private static boolean isNull(JsonNode node) {
        return node.isNull() || node.isMissingNode();
    }

    /** Whether decoding drops one leading space. */
    boolean stripsLeadingSpace() {
        JsonNode decoder = root.path("decoder");
        List<JsonNode> parts = sequence(decoder, "Sequence", "decoders");
        List<String> types =
                parts.stream().map(part -> part.path("type").asText()).toList();
        boolean strips = types.equals(List.of("Replace", "ByteFallback", "Fuse", "Strip"));
        if (!strips && !types.equals(List.of("Replace", "ByteFallback", "Fuse"))
                || !isReplacement(parts.getFirst(), SPACE, " ")) {
            throw TokenizerJson.fault(
                    file, "decoder", decoder, "Replace \"" + SPACE + "\" by \" \", ByteFallback, Fuse and Strip");
        }
        if (strips) {
            JsonNode strip = parts.getLast();
            if (!strip.path("content").asText().equals(" ")
                    || strip.path("start").asInt() != 1
                    || strip.path("stop").asInt() != 0) {
                throw TokenizerJson.fault(file, "decoder", strip, "Strip of one space at the start");
            }
        }
        return strips;
    }
}
