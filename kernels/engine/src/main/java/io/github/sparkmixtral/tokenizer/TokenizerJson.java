package io.github.sparkmixtral.tokenizer;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tokenizer.PieceMatcher.Piece;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads a {@code tokenizer.json} of Hugging Face {@code tokenizers}: BPE with byte fallback as Mistral's conversions have it, with the legacy
 * normalizer or the newer {@code Metaspace}. A component that would change the result and is not one of these is refused by name.
 */
final class TokenizerJson {
    private static final ObjectMapper MAPPER = JsonMapper.builder()
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    /** Bounds the arrays that are as long as the largest id, which a damaged file could make huge. */
    private static final int MAX_ID = 1 << 22;

    private final Path file;
    private final JsonNode root;
    private final Map<String, Integer> ids = new HashMap<>();
    private final Map<String, Integer> controlTokens = new HashMap<>();
    private final List<Piece> rawPieces = new ArrayList<>();
    private final List<Piece> normalizedPieces = new ArrayList<>();

    private TokenizerJson(Path file, JsonNode root) {
        this.file = file;
        this.root = root;
    }

    static Tokenizer read(Path file) {
        return read(file, SentencePieceModel.readFile(file));
    }

    static Tokenizer read(Path file, byte[] bytes) {
        return new TokenizerJson(file, parse(file, bytes)).tokenizer();
    }

    static JsonNode parse(Path file, byte[] bytes) {
        try {
            JsonNode node = MAPPER.readTree(bytes);
            if (!node.isObject()) {
                throw new ModelException(file + " is not a JSON object");
            }
            return node;
        } catch (IOException e) {
            throw new ModelException(file + " is not valid JSON: " + firstLine(e.getMessage()), e);
        }
    }

    private static String firstLine(String message) {
        return message == null ? "damaged" : message.lines().findFirst().orElse("damaged");
    }

    private Tokenizer tokenizer() {
        JsonNode model = root.path("model");
        checkModel(model);
        readVocabulary(model.path("vocab"));
        JsonPipeline pipeline = new JsonPipeline(file, root);
        Spacing spacing = pipeline.spacing();
        AddedTokens beside = AddedTokens.beside(file);
        readAddedTokens(spacing, beside);
        ids.forEach((piece, id) -> {
            if (TurnTokens.contains(piece)) {
                addControlToken("model.vocab", piece, Piece.ofControl(piece, id), rawPieces);
            }
        });
        SpecialNames names = SpecialNames.beside(file);
        int unknown = special("model.unk_token", model.path("unk_token").asText(names.unknown()));
        int bos = special("bos_token in tokenizer_config.json", names.bos());
        int eos = special("eos_token in tokenizer_config.json", names.eos());
        Tokenizer.Decoding decoding = decoding(pipeline.stripsLeadingSpace());
        BytePairEncoder encoder = new BytePairEncoder(
                merges(model.path("merges"), decoding.texts().length),
                byteTokens(model),
                unknown,
                model.path("fuse_unk").asBoolean(),
                new BitSet());
        return new Tokenizer(
                unknown,
                bos,
                eos,
                controlTokens,
                decoding,
                new Tokenizer.Encoding(spacing, matcher(rawPieces), matcher(normalizedPieces), encoder));
    }

    private int special(String field, String piece) {
        int id = id(field, piece);
        addControlToken(field, piece, Piece.ofControl(piece, id), rawPieces);
        return id;
    }

    private void addControlToken(String field, String content, Piece piece, List<Piece> pieces) {
        if (Vocabulary.byteValue(content) >= 0) {
            throw new ModelException(file + ": " + field + " makes the byte piece " + content
                    + " a special token, which any text could then become");
        }
        if (controlTokens.put(content, piece.id()) == null) {
            pieces.add(piece);
        }
    }

    private PieceMatcher matcher(List<Piece> pieces) {
        return new PieceMatcher(pieces.stream()
                .filter(piece -> piece.control() || !controlTokens.containsValue(piece.id()))
                .toList());
    }

    private Tokenizer.Decoding decoding(boolean stripsLeadingSpace) {
        String[] texts = new String[ids.values().stream().max(Integer::compare).orElseThrow() + 1];
        int[] bytes = new int[texts.length];
        Arrays.fill(bytes, -1);
        ids.forEach((piece, id) -> {
            texts[id] = piece.replace(Spacing.ESCAPED_SPACE, ' ');
            bytes[id] = Vocabulary.byteValue(piece);
        });
        // A token that is looked for in the normalized text is decoded as that text too, with the prefix space.
        normalizedPieces.forEach(piece -> texts[piece.id()] = piece.text().replace(Spacing.ESCAPED_SPACE, ' '));
        controlTokens.values().forEach(id -> texts[id] = null);
        return new Tokenizer.Decoding(texts, bytes, stripsLeadingSpace);
    }

    private void checkModel(JsonNode model) {
        if (!model.isObject()) {
            throw fault("model", model, "an object");
        }
        if (model.has("type") && !model.get("type").asText().equals("BPE")) {
            throw fault("model.type", model.get("type"), "\"BPE\"");
        }
        for (String flag : List.of("byte_fallback", "fuse_unk", "ignore_merges")) {
            if (!model.path(flag).isMissingNode() && !model.get(flag).isBoolean()) {
                throw fault("model." + flag, model.get(flag), "true or false");
            }
        }
        if (model.path("ignore_merges").asBoolean()) {
            throw fault("model.ignore_merges", model.get("ignore_merges"), "false");
        }
        if (model.path("dropout").asDouble() != 0) {
            throw fault("model.dropout", model.get("dropout"), "null");
        }
        for (String affix : List.of("continuing_subword_prefix", "end_of_word_suffix")) {
            if (!model.path(affix).asText("").isEmpty()) {
                throw fault("model." + affix, model.get(affix), "null");
            }
        }
    }

    private void readVocabulary(JsonNode vocabulary) {
        if (!vocabulary.isObject() || vocabulary.isEmpty()) {
            throw fault("model.vocab", vocabulary, "an object from pieces to ids");
        }
        BitSet taken = new BitSet();
        for (Map.Entry<String, JsonNode> entry : vocabulary.properties()) {
            String field = "model.vocab[" + Vocabulary.quote(entry.getKey()) + "]";
            int id = checkedId(field, entry.getValue());
            if (entry.getKey().isEmpty()) {
                throw new ModelException(file + ": model.vocab has an empty piece");
            }
            if (taken.get(id)) {
                throw new ModelException(file + ": " + field + " is " + id + ", the id of another piece");
            }
            taken.set(id);
            ids.put(entry.getKey(), id);
        }
    }

    private int checkedId(String field, JsonNode id) {
        if (!id.isInt() || id.intValue() < 0 || id.intValue() > MAX_ID) {
            throw fault(field, id, "an id from 0 to " + MAX_ID);
        }
        return id.intValue();
    }

    private void readAddedTokens(Spacing spacing, AddedTokens beside) {
        JsonNode tokens = root.path("added_tokens");
        if (!tokens.isArray() && !tokens.isMissingNode() && !tokens.isNull()) {
            throw fault("added_tokens", tokens, "an array");
        }
        BitSet taken = new BitSet();
        ids.values().forEach(taken::set);
        for (int i = 0; i < tokens.size(); i++) {
            String field = "added_tokens[" + i + "]";
            JsonNode token = tokens.get(i);
            String content = token.path("content").asText("");
            if (content.isEmpty()) {
                throw fault(field + ".content", token.path("content"), "the token's text");
            }
            int id = checkedId(field + ".id", token.path("id"));
            Integer known = ids.putIfAbsent(content, id);
            if (known != null ? known != id : taken.get(id)) {
                throw new ModelException(file + ": " + field + ".id is " + id
                        + (known != null ? ", but model.vocab has " + known : ", the id of another piece"));
            }
            taken.set(id);
            addToken(field, token, new Piece(content, id), spacing);
        }
        // transformers adds what only the configuration beside has.
        for (AddedTokens.Added added : beside.tokens()) {
            if (!taken.get(added.id()) && !ids.containsKey(added.text())) {
                ids.put(added.text(), added.id());
                taken.set(added.id());
                addToken(added.field(), added.json(), new Piece(added.text(), added.id()), spacing);
            }
        }
    }

    private void addToken(String field, JsonNode token, Piece piece, Spacing spacing) {
        if (!token.path("special").asBoolean() && !TurnTokens.contains(piece.text())) {
            addUserDefined(field, token, piece, spacing);
            return;
        }
        boolean normalized = token.path("normalized").asBoolean();
        addControlToken(
                field,
                piece.text(),
                new Piece(
                        normalized ? spacing.normalize(piece.text()) : piece.text(),
                        piece.id(),
                        true,
                        token.path("lstrip").asBoolean(),
                        token.path("rstrip").asBoolean(),
                        token.path("single_word").asBoolean()),
                normalized ? normalizedPieces : rawPieces);
    }

    private void addUserDefined(String field, JsonNode token, Piece piece, Spacing spacing) {
        for (String flag : List.of("single_word", "lstrip", "rstrip")) {
            if (token.path(flag).asBoolean()) {
                throw fault(field + "." + flag, token.get(flag), "false for a token that is not special");
            }
        }
        if (token.path("normalized").asBoolean()) {
            normalizedPieces.add(new Piece(spacing.normalize(piece.text()), piece.id()));
        } else {
            rawPieces.add(piece);
        }
    }

    private MergeTable merges(JsonNode merges, int size) {
        if (!merges.isArray()) {
            throw fault("model.merges", merges, "an array of pairs");
        }
        MergeTable table = new MergeTable(size);
        ids.forEach((piece, id) -> {
            if (isOrdinary(piece)) {
                table.addSymbol(piece, id);
            }
        });
        for (int i = 0; i < merges.size(); i++) {
            String field = "model.merges[" + i + "]";
            String[] pair = pair(field, merges.get(i));
            int left = id(field, pair[0]);
            int right = id(field, pair[1]);
            String text = pair[0] + pair[1];
            int merged = id(field, text);
            if (!isOrdinary(pair[0]) || !isOrdinary(pair[1])) {
                throw new ModelException(file + ": " + field + " merges " + Vocabulary.quote(pair[0]) + " and "
                        + Vocabulary.quote(pair[1]) + ", of which one is a byte or special token");
            }
            // No text may become a special or a byte token.
            if (isOrdinary(text)) {
                table.add(left, right, i, merged, text);
            }
        }
        return table;
    }

    private boolean isOrdinary(String piece) {
        return !controlTokens.containsKey(piece) && Vocabulary.byteValue(piece) < 0;
    }

    private String[] pair(String field, JsonNode merge) {
        if (merge.isTextual()) {
            String[] parts = merge.textValue().split(" ", -1);
            if (parts.length == 2 && !parts[0].isEmpty() && !parts[1].isEmpty()) {
                return parts;
            }
        } else if (merge.size() == 2
                && merge.get(0) != null
                && merge.get(0).isTextual()
                && merge.get(1).isTextual()) {
            return new String[] {merge.get(0).textValue(), merge.get(1).textValue()};
        }
        throw fault(field, merge, "two pieces");
    }

    private int[] byteTokens(JsonNode model) {
        if (!model.path("byte_fallback").asBoolean()) {
            return new int[0];
        }
        int[] tokens = new int[Vocabulary.BYTES];
        for (int value = 0; value < tokens.length; value++) {
            String piece = String.format("<0x%02X>", value);
            Integer id = ids.get(piece);
            if (id == null) {
                throw new ModelException(
                        file + ": model.byte_fallback is true, but model.vocab lacks the byte piece " + piece);
            }
            tokens[value] = id;
        }
        return tokens;
    }

    private int id(String field, String piece) {
        Integer id = ids.get(piece);
        if (id == null) {
            throw new ModelException(file + ": " + field + " wants " + Vocabulary.quote(piece)
                    + ", which is neither in model.vocab nor in added_tokens");
        }
        return id;
    }

    private ModelException fault(String field, JsonNode found, String wanted) {
        return fault(file, field, found, wanted);
    }

    /** A field that holds something else than what this program takes. */
    static ModelException fault(Path file, String field, JsonNode found, String wanted) {
        String text = found.isMissingNode() ? "missing" : found.toString();
        return new ModelException(file + ": " + field + " is "
                + (text.length() > 120 ? text.substring(0, 120) + "…" : text) + ", where this program takes " + wanted);
    }
}
