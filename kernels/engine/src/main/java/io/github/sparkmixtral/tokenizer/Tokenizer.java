package io.github.sparkmixtral.tokenizer;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tokenizer.PieceMatcher.Piece;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;

/**
 * SentencePiece BPE with byte fallback: the tokenizer of every Mixtral. Immutable; may be used by many threads at once.
 *
 * <p>No text becomes a control token: {@code <s>}, {@code </s>} or {@code [INST]} in a text are spelled out, and so is {@code <0x0A>}. A
 * surrogate without its partner is encoded as U+FFFD.
 */
public final class Tokenizer {

    /** What becomes of the space that the first piece of a decoded text begins with. */
    public enum LeadingSpace {
        /** Kept: the text continues another one, so that prompt and text can be concatenated. */
        KEEP,
        /** Dropped: the text is an answer of its own. */
        STRIP
    }

    /**
     * What a token is when it is read: its text with spaces, or null where it has none (control tokens, gaps); the byte that it stands
     * for, or -1.
     */
    record Decoding(String[] texts, int[] bytes, boolean stripsLeadingSpace) {}

    /** How texts are encoded: pieces are looked for before the spacing is normalized, after it, or both. */
    record Encoding(Spacing spacing, PieceMatcher rawPieces, PieceMatcher normalizedPieces, BytePairEncoder encoder) {

        Encoding withoutControls() {
            return new Encoding(spacing, rawPieces.withoutControls(), normalizedPieces.withoutControls(), encoder);
        }
    }

    private static final BitSet NOWHERE = new BitSet();

    private final int unknownTokenId;
    private final int bosTokenId;
    private final int eosTokenId;
    private final Map<String, Integer> controlTokens;
    private final Decoding decoding;
    private final Encoding encoding;
    private final Encoding encodingWithControls;

    Tokenizer(
            int unknownTokenId,
            int bosTokenId,
            int eosTokenId,
            Map<String, Integer> controlTokens,
            Decoding decoding,
            Encoding encoding) {
        this.unknownTokenId = unknownTokenId;
        this.bosTokenId = bosTokenId;
        this.eosTokenId = eosTokenId;
        this.controlTokens = Map.copyOf(controlTokens);
        this.decoding = decoding;
        this.encoding = encoding.withoutControls();
        this.encodingWithControls = encoding;
    }

    /**
     * Reads a {@code tokenizer.model}, SentencePiece's own format, and the tokens that files beside it add. It encodes as SentencePiece
     * does.
     *
     * @throws ModelException naming the file and the field, if it is missing, damaged, or not of Mixtral's kind
     */
    public static Tokenizer ofSentencePiece(Path file) {
        return SentencePieceModel.read(file);
    }

    /**
     * Reads a {@code tokenizer.json} of the Mistral kind, and which tokens begin and end a sequence from a
     * {@code tokenizer_config.json} beside it ({@code <s>} and {@code </s>} where that does not say). It encodes as Hugging Face
     * {@code tokenizers} does without special tokens, but for special tokens typed in a text, which are spelled out.
     *
     * @throws ModelException naming the file and the field, if it is missing, damaged, or not of Mixtral's kind
     */
    public static Tokenizer ofJson(Path file) {
        return TokenizerJson.read(file);
    }

    /** Takes the arrays of a GGUF file's metadata. It encodes as SentencePiece does. */
    public static Tokenizer of(Vocabulary vocabulary) {
        Spacing.Prefix prefix = vocabulary.addSpacePrefix() ? Spacing.Prefix.ALWAYS : Spacing.Prefix.NONE;
        return of(vocabulary, new Spacing(prefix, true, false, false));
    }

    static Tokenizer of(Vocabulary vocabulary, Spacing spacing) {
        int size = vocabulary.pieces().length;
        String[] texts = new String[size];
        int[] bytes = new int[size];
        Arrays.fill(bytes, -1);
        int[] byteTokens = new int[Vocabulary.BYTES];
        boolean byteFallback = false;
        Map<String, Integer> controlTokens = new HashMap<>();
        List<Piece> userDefined = new ArrayList<>();
        List<Piece> controls = new ArrayList<>();
        BitSet unused = new BitSet(size);
        for (int id = 0; id < size; id++) {
            String piece = vocabulary.pieces()[id];
            int kind = vocabulary.kind(id);
            if (kind == Vocabulary.CONTROL) {
                controlTokens.put(piece, id);
                controls.add(Piece.ofControl(piece, id));
                continue;
            }
            texts[id] = piece.replace(Spacing.ESCAPED_SPACE, ' ');
            if (kind == Vocabulary.BYTE) {
                bytes[id] = Vocabulary.byteValue(piece);
                byteTokens[bytes[id]] = id;
                byteFallback = true;
            } else if (kind == Vocabulary.USER_DEFINED) {
                userDefined.add(new Piece(piece, id));
            } else if (kind == Vocabulary.UNUSED) {
                unused.set(id);
            }
        }
        BytePairEncoder encoder = new BytePairEncoder(
                MergeTable.ofScores(vocabulary),
                byteFallback ? byteTokens : new int[0],
                vocabulary.unknownTokenId(),
                true,
                unused);
        return new Tokenizer(
                vocabulary.unknownTokenId(),
                vocabulary.bosTokenId(),
                vocabulary.eosTokenId(),
                controlTokens,
                new Decoding(texts, bytes, vocabulary.addSpacePrefix()),
                new Encoding(spacing, new PieceMatcher(controls), new PieceMatcher(userDefined), encoder));
    }

    /** Number of tokens; ids are below it. The model's embedding may have more rows, as padding. */
    public int vocabularySize() {
        return decoding.texts().length;
    }

    /** Beginning-of-sequence token. */
    public int bosTokenId() {
        return bosTokenId;
    }

    /** End-of-sequence token. */
    public int eosTokenId() {
        return eosTokenId;
    }

    /** Token of a character that is not in the vocabulary. */
    public int unknownTokenId() {
        return unknownTokenId;
    }

    /** The id of a control token such as {@code [INST]}; empty where the vocabulary has no control token of that name. */
    public OptionalInt controlToken(String piece) {
        Integer id = controlTokens.get(piece);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    /** Whether the token has no text: a control token or the unknown token. False for ids out of range. */
    public boolean isControl(int id) {
        return id >= 0 && id < vocabularySize() && text(id) == null;
    }

    /** The texts of all control tokens, by id; not those of gaps. */
    public Map<Integer, String> controlTokens() {
        Map<Integer, String> texts = new TreeMap<>();
        controlTokens.forEach((text, id) -> texts.put(id, text));
        return texts;
    }

    /** Encodes a text, with the prefix space, without BOS and EOS. An empty text gives no tokens. */
    public int[] encode(String text) {
        return encode(text, NOWHERE);
    }

    /**
     * Encodes a text in which some characters may be control tokens' texts: a control token is recognized where all of its characters
     * are among these. Each part between two of them is encoded as a text of its own, with its prefix space, as Hugging Face {@code
     * tokenizers} and llama.cpp do.
     *
     * @param controls indices of {@code char}s
     */
    public int[] encode(String text, BitSet controls) {
        Encoding how = controls.isEmpty() ? encoding : encodingWithControls;
        TokenList output = new TokenList(text.length() / 2);
        BytePairEncoder.Run run = how.encoder().run(output);
        String whole = withoutLoneSurrogates(text);
        forEachPart(whole, controls, how.rawPieces(), output, (raw, rawStart) -> {
            String normalized = how.spacing().normalize(raw);
            BitSet inside =
                    controls.isEmpty() ? controls : moved(controls, raw.length(), rawStart, normalized.length());
            forEachPart(
                    normalized,
                    inside,
                    how.normalizedPieces(),
                    output,
                    (part, start) -> run.encode(
                            how.spacing().preTokenize(part, rawStart == 0 && start == 0),
                            how.spacing().splitWords()));
        });
        return output.toArray();
    }

    /** Encodes a text of which every part may be a control token. */
    public int[] encodeWithControls(String text) {
        BitSet everywhere = new BitSet();
        everywhere.set(0, text.length());
        return encode(text, everywhere);
    }

    /** The control token that a text begins with; empty where it begins with another text. */
    public OptionalInt controlTokenAtStart(String text) {
        BitSet everywhere = new BitSet();
        everywhere.set(0, text.length());
        Piece piece = text.isEmpty() ? null : encodingWithControls.rawPieces().at(text, 0, everywhere);
        return piece == null || !piece.control() ? OptionalInt.empty() : OptionalInt.of(piece.id());
    }

    /** Where the characters are in the normalized text, which may begin with a prefix more. */
    private static BitSet moved(BitSet controls, int rawLength, int rawStart, int normalizedLength) {
        int prefix = Math.max(0, normalizedLength - rawLength);
        BitSet moved = new BitSet();
        moved.set(0, prefix);
        controls.get(rawStart, rawStart + rawLength).stream().forEach(i -> moved.set(i + prefix));
        return moved;
    }

    private interface Part {
        void accept(String part, int start);
    }

    /** Cuts a text at the pieces that are found in it; adds those to the output, and hands on what lies between. */
    private static void forEachPart(String text, BitSet controls, PieceMatcher pieces, TokenList output, Part part) {
        int start = 0;
        for (int i = 0; !pieces.isEmpty() && i < text.length(); ) {
            Piece piece = pieces.at(text, i, controls);
            if (piece == null) {
                i++;
                continue;
            }
            int before = i;
            while (piece.stripsLeft() && before > start && Character.isWhitespace(text.charAt(before - 1))) {
                before--;
            }
            if (before > start) {
                part.accept(text.substring(start, before), start);
            }
            output.add(piece.id());
            i += piece.text().length();
            while (piece.stripsRight() && i < text.length() && Character.isWhitespace(text.charAt(i))) {
                i++;
            }
            start = i;
        }
        if (start < text.length()) {
            part.accept(text.substring(start), start);
        }
    }

    private static String withoutLoneSurrogates(String text) {
        StringBuilder mended = null;
        for (int i = 0; i < text.length(); i++) {
            if (!Character.isSurrogate(text.charAt(i))) {
                continue;
            }
            if (Character.isSupplementaryCodePoint(text.codePointAt(i))) {
                i++;
            } else {
                mended = mended == null ? new StringBuilder(text) : mended;
                mended.setCharAt(i, '\uFFFD');
            }
        }
        return mended == null ? text : mended.toString();
    }

    /**
     * Decodes a whole answer: what Hugging Face {@code tokenizers} gives for {@code decode(ids, skip_special_tokens=True)}. Control tokens
     * and ids out of range (padding of the embedding) have no text; a run of byte tokens becomes its text if it is valid UTF-8 and
     * otherwise one U+FFFD per token; one leading space is dropped.
     */
    public String decode(int[] ids) {
        StreamDecoder decoder = decoder(LeadingSpace.STRIP);
        for (int id : ids) {
            decoder.append(id);
        }
        return decoder.finish();
    }

    /** A token's text as it stands in the middle of a text; bytes of a broken character show as U+FFFD. */
    public String piece(int id) {
        StreamDecoder decoder = decoder(LeadingSpace.KEEP);
        decoder.append(id);
        decoder.finish();
        return decoder.text().toString();
    }

    /** A decoder that takes one token at a time. */
    public StreamDecoder decoder(LeadingSpace leadingSpace) {
        return new StreamDecoder(this, decoding.stripsLeadingSpace() ? leadingSpace : LeadingSpace.KEEP);
    }

    /**
     * The bytes that each token adds to a text; null where it has none (control tokens), or where a token with the same text is there
     * beside a byte token, which an encoder takes instead.
     */
    public byte[][] textBytes() {
        byte[][] bytes = new byte[vocabularySize()][];
        Set<String> texts = new HashSet<>();
        for (int id = 0; id < bytes.length; id++) {
            String text = text(id);
            if (text != null && byteValue(id) < 0) {
                texts.add(text);
                bytes[id] = text.getBytes(StandardCharsets.UTF_8);
            }
        }
        for (int id = 0; id < bytes.length; id++) {
            int value = text(id) == null ? -1 : byteValue(id);
            // Beyond ASCII a byte is no character.
            if (value >= 0 && !(value < 0x80 && texts.contains(Character.toString(value)))) {
                bytes[id] = new byte[] {(byte) value};
            }
        }
        return bytes;
    }

    /** Whether answers lose the space that their first token begins with. */
    public boolean stripsLeadingSpace() {
        return decoding.stripsLeadingSpace();
    }

    /** Text of a token, or null where it has none. */
    String text(int id) {
        return id >= 0 && id < decoding.texts().length ? decoding.texts()[id] : null;
    }

    /** The byte that a token with a text stands for, or -1. */
    int byteValue(int id) {
        return decoding.bytes()[id];
    }
}
