package io.github.sparkmixtral.tokenizer;

import java.nio.file.Path;
import java.util.OptionalInt;

/** SentencePiece BPE with byte fallback. Immutable; may be used by many threads at once. */
public final class Tokenizer {

    /** What becomes of the space that the first piece of a decoded text begins with. */
    public enum LeadingSpace {
        /** Kept: the text continues another one, so that prompt and text can be concatenated. */
        KEEP,
        /** Dropped: the text is an answer of its own. */
        STRIP
    }

    Tokenizer() {}

    /** Reads a {@code tokenizer.model}. */
    public static Tokenizer ofSentencePiece(Path file) {
        throw new UnsupportedOperationException();
    }

    /** Reads a {@code tokenizer.json}. */
    public static Tokenizer ofJson(Path file) {
        throw new UnsupportedOperationException();
    }

    /** Takes the arrays of a GGUF file's metadata. */
    public static Tokenizer of(Vocabulary vocabulary) {
        throw new UnsupportedOperationException();
    }

    /** Number of tokens; ids are below it. */
    public int vocabularySize() {
        throw new UnsupportedOperationException();
    }

    /** Beginning-of-sequence token. */
    public int bosTokenId() {
        throw new UnsupportedOperationException();
    }

    /** End-of-sequence token. */
    public int eosTokenId() {
        throw new UnsupportedOperationException();
    }

    /** Token of a character that is not in the vocabulary. */
    public int unknownTokenId() {
        throw new UnsupportedOperationException();
    }

    /** The id of a control token such as {@code [INST]}; empty where the vocabulary has no control token of that name. */
    public OptionalInt controlToken(String piece) {
        throw new UnsupportedOperationException();
    }

    /** Whether the token is a control token (or the unknown token), which has no text. False for ids out of range. */
    public boolean isControl(int id) {
        throw new UnsupportedOperationException();
    }

    /** Encodes a text, with the prefix space, without BOS and EOS. No text becomes a control token. */
    public int[] encode(String text) {
        throw new UnsupportedOperationException();
    }

    /** Decodes a whole answer: control tokens and ids out of range have no text, and one leading space is dropped. */
    public String decode(int[] ids) {
        throw new UnsupportedOperationException();
    }

    /** A decoder that takes one token at a time. */
    public StreamDecoder decoder(LeadingSpace leadingSpace) {
        throw new UnsupportedOperationException();
    }
}
