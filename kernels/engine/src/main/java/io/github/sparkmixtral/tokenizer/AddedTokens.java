package io.github.sparkmixtral.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.github.sparkmixtral.file.ModelException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Tokens that a fine-tuning has added, as the files beside the tokenizer's own list them: {@code added_tokens_decoder} of {@code
 * tokenizer_config.json}, and {@code added_tokens.json}, of which {@code special_tokens_map.json} says which are special.
 *
 * @param tokens by id
 */
record AddedTokens(List<Added> tokens) {
    private static final int MAX_ID = 1 << 22;

    /** @param json the token's flags, as in {@code tokenizer.json} */
    record Added(String field, String text, int id, JsonNode json) {}

    /**
     * Reads what is there.
     *
     * @throws ModelException naming the file and the field, where a token has no text, a broken id, or an id of another one
     */
    static AddedTokens beside(Path file) {
        Path configFile = file.resolveSibling("tokenizer_config.json");
        Path listFile = file.resolveSibling("added_tokens.json");
        JsonNode config = SpecialNames.json(configFile);
        JsonNode map = SpecialNames.json(file.resolveSibling("special_tokens_map.json"));
        Map<Integer, Added> byId = new TreeMap<>();
        config.path("added_tokens_decoder").properties().forEach(entry -> {
            String field = configFile + ": added_tokens_decoder." + entry.getKey();
            add(byId, field, entry.getValue().path("content").asText(""), id(field, entry.getKey()), entry.getValue());
        });
        Set<String> special = specials(config);
        special.addAll(specials(map));
        SpecialNames.json(listFile).properties().forEach(entry -> {
            String field = listFile + ": " + Vocabulary.quote(entry.getKey());
            boolean isSpecial = special.contains(entry.getKey());
            JsonNode flags = JsonNodeFactory.instance
                    .objectNode()
                    .put("special", isSpecial)
                    .put("normalized", !isSpecial);
            add(byId, field, entry.getKey(), id(field, entry.getValue().asText()), flags);
        });
        return new AddedTokens(List.copyOf(byId.values()));
    }

    private static void add(Map<Integer, Added> byId, String field, String text, int id, JsonNode flags) {
        if (text.isEmpty()) {
            throw new ModelException(field + " has no text");
        }
        Added before = byId.putIfAbsent(id, new Added(field, text, id, flags));
        if (before != null && !before.text().equals(text)) {
            throw new ModelException(field + " has the id " + id + " of " + Vocabulary.quote(before.text()));
        }
    }

    private static int id(String field, String id) {
        if (!id.matches("\\d{1,7}") || Integer.parseInt(id) > MAX_ID) {
            throw new ModelException(field + " must have an id from 0 to " + MAX_ID);
        }
        return Integer.parseInt(id);
    }

    /** Texts of the tokens that a configuration gives a part to. */
    private static Set<String> specials(JsonNode config) {
        Set<String> specials = new HashSet<>();
        List<JsonNode> tokens = new ArrayList<>();
        config.properties().forEach(entry -> {
            if (entry.getKey().endsWith("_token")) {
                tokens.add(entry.getValue());
            }
        });
        config.path("additional_special_tokens").forEach(tokens::add);
        config.path("extra_special_tokens").forEach(tokens::add);
        tokens.forEach(token -> specials.add(SpecialNames.text(token, "")));
        return specials;
    }

    /** A vocabulary with these tokens behind its own, and the tokens of these names to begin and to end a sequence. */
    Vocabulary addedTo(Vocabulary vocabulary, SpecialNames names) {
        int size = vocabulary.pieces().length;
        int last = tokens.isEmpty()
                ? size - 1
                : Math.max(size - 1, tokens.getLast().id());
        List<String> pieces = new ArrayList<>(List.of(vocabulary.pieces()));
        float[] scores = java.util.Arrays.copyOf(vocabulary.scores(), last + 1);
        int[] types = java.util.Arrays.copyOf(vocabulary.types(), last + 1);
        for (int id = size; id <= last; id++) {
            // A gap between added ids is a row of the embedding without a text.
            pieces.add("<no token " + id + ">");
            types[id] = Vocabulary.CONTROL;
        }
        for (Added added : tokens) {
            boolean special = added.json().path("special").asBoolean();
            if (added.id() >= size) {
                pieces.set(added.id(), added.text());
                types[added.id()] = special ? Vocabulary.CONTROL : Vocabulary.USER_DEFINED;
            } else if (!pieces.get(added.id()).equals(added.text())) {
                throw new ModelException(added.field() + " is the token " + added.id() + ", but " + vocabulary.source()
                        + " has " + Vocabulary.quote(pieces.get(added.id())) + " there");
            } else if (special && types[added.id()] == Vocabulary.NORMAL) {
                types[added.id()] = Vocabulary.CONTROL;
            }
        }
        int bos = pieces.indexOf(names.bos());
        int eos = pieces.indexOf(names.eos());
        return new Vocabulary(
                vocabulary.source(),
                pieces.toArray(String[]::new),
                scores,
                types,
                vocabulary.unknownTokenId(),
                bos < 0 ? vocabulary.bosTokenId() : bos,
                eos < 0 ? vocabulary.eosTokenId() : eos,
                vocabulary.addSpacePrefix());
    }
}
