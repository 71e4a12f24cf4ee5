package io.github.sparkmixtral.tokenizer;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/** Mistral's tokenizers, and the forms that other programs convert them into. */
public final class Tokenizers {
    public static final Path V1_FILE = GoldenFile.file("/tokenizer/tokenizer.model.v1");
    public static final Path V3_FILE = GoldenFile.file("/tokenizer/mistral_instruct_tokenizer_240323.model.v3");
    public static final Tokenizer V1 = Tokenizer.ofSentencePiece(V1_FILE);
    public static final Tokenizer V3 = Tokenizer.ofSentencePiece(V3_FILE);

    private Tokenizers() {}

    /** A pair of pieces that is a piece, and that one's score. */
    record Merge(float score, String left, String right) {}

    /** The merges that a conversion to {@code tokenizer.json} lists: by score, then by the ids of the two. */
    static List<Merge> merges(Vocabulary vocabulary) {
        Map<String, Integer> ids = new HashMap<>();
        for (int id = 0; id < vocabulary.pieces().length; id++) {
            ids.put(vocabulary.pieces()[id], id);
        }
        List<Merge> merges = new ArrayList<>();
        for (int id = 0; id < vocabulary.pieces().length; id++) {
            String piece = vocabulary.pieces()[id];
            List<Merge> ofPiece = new ArrayList<>();
            for (int cut = 1; vocabulary.types()[id] == Vocabulary.NORMAL && cut < piece.length(); cut++) {
                if (ids.containsKey(piece.substring(0, cut)) && ids.containsKey(piece.substring(cut))) {
                    ofPiece.add(new Merge(vocabulary.scores()[id], piece.substring(0, cut), piece.substring(cut)));
                }
            }
            ofPiece.sort(Comparator.comparing((Merge m) -> ids.get(m.left())).thenComparing(m -> ids.get(m.right())));
            merges.addAll(ofPiece);
        }
        merges.sort(Comparator.comparing((Merge m) -> -m.score()));
        return merges;
    }

    static String sha256(List<Merge> merges) {
        StringBuilder lines = new StringBuilder();
        merges.forEach(m -> lines.append(m.left()).append(' ').append(m.right()).append('\n'));
        try {
            byte[] digest =
                    MessageDigest.getInstance("SHA-256").digest(lines.toString().getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The {@code tokenizer.json} of a vocabulary, in the legacy form that Mixtral's own has. */
    static ObjectNode json(Vocabulary vocabulary) {
        ObjectNode root = new ObjectMapper().createObjectNode();
        ArrayNode added = root.putArray("added_tokens");
        ObjectNode model = root.putObject("model");
        model.put("type", "BPE").put("unk_token", "<unk>").put("fuse_unk", true).put("byte_fallback", true);
        ObjectNode vocab = model.putObject("vocab");
        for (int id = 0; id < vocabulary.pieces().length; id++) {
            String piece = vocabulary.pieces()[id];
            int type = vocabulary.types()[id];
            vocab.put(piece, id);
            if (type == Vocabulary.UNKNOWN || type == Vocabulary.CONTROL || type == Vocabulary.USER_DEFINED) {
                added.addObject()
                        .put("id", id)
                        .put("content", piece)
                        .put("normalized", false)
                        .put("special", type != Vocabulary.USER_DEFINED);
            }
        }
        ArrayNode merges = model.putArray("merges");
        merges(vocabulary).forEach(m -> merges.add(m.left() + " " + m.right()));
        ArrayNode normalizers =
                root.putObject("normalizer").put("type", "Sequence").putArray("normalizers");
        normalizers.addObject().put("type", "Prepend").put("prepend", "▁");
        ObjectNode escape = normalizers.addObject().put("type", "Replace").put("content", "▁");
        escape.putObject("pattern").put("String", " ");
        ArrayNode decoders = root.putObject("decoder").put("type", "Sequence").putArray("decoders");
        ObjectNode unescape = decoders.addObject().put("type", "Replace").put("content", " ");
        unescape.putObject("pattern").put("String", "▁");
        decoders.addObject().put("type", "ByteFallback");
        decoders.addObject().put("type", "Fuse");
        decoders.addObject()
                .put("type", "Strip")
                .put("content", " ")
                .put("start", 1)
                .put("stop", 0);
        return root;
    }
}
