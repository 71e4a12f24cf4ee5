package io.github.sparkmixtral.tokenizer;

import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.nio.CharBuffer;

/**
 * Decodes one token at a time, in time proportional to the text. Used by one thread at a time.
 *
 * <p>Most tokens have a text of their own, and that can be read at once. Byte tokens do not: a run of them (control tokens and
 * unknown ids between them do not count) is text if it is valid UTF-8 <em>as a whole</em>, and otherwise one U+FFFD per byte token,
 * as Hugging Face's {@code ByteFallback} has it. So {@link #text} has two parts:
 *
 * <ul>
 *   <li>its first {@link #stableLength} characters never change, whatever follows;
 *   <li>the characters after them are the complete characters of a run of byte tokens that has not ended. They become stable when
 *       it ends, and turn into U+FFFD if a later byte token makes it invalid. Half a character is never part of the text.
 * </ul>
 *
 * <p>Show a reader only the stable part. Look for a stop string in the whole of the text, since it may end inside a run of byte
 * tokens: after {@code append}, call {@code indexOf(stop, from)} with {@code from} = the stable length before that {@code append},
 * less the length of the stop string, plus one. A stop string found in this way is final in the sense that what stands before it
 * is the text of the tokens so far: cut there and ask for no more tokens.
 */
public final class StreamDecoder {
    private static final char REPLACEMENT = '�';

    private final Tokenizer tokenizer;
    private final StringBuilder text = new StringBuilder();
    private final Utf8Character character = new Utf8Character();
    private int stableLength;
    private boolean finished;

    /** Whether a space that comes next is to be dropped. */
    private boolean dropSpace;

    /** Byte tokens in the open run; 0 where none is open. */
    private int runLength;

    private boolean runValid = true;

    StreamDecoder(Tokenizer tokenizer, LeadingSpace leadingSpace) {
        this.tokenizer = tokenizer;
        this.dropSpace = leadingSpace == LeadingSpace.STRIP;
    }

    /**
     * Takes the next token. Control tokens and ids out of range have no text and are passed over.
     *
     * @throws IllegalStateException after {@link #finish}
     */
    public void append(int id) {
        if (finished) {
            throw new IllegalStateException("the decoder is finished");
        }
        String piece = tokenizer.text(id);
        if (piece == null) {
            return;
        }
        int value = tokenizer.byteValue(id);
        if (value >= 0) {
            appendByte(value);
        } else {
            endRun();
            put(piece);
            stableLength = text.length();
        }
    }

    /** All that can be read so far: a read-only view, to be used before the next {@link #append} or {@link #finish}. */
    public CharSequence text() {
        return CharBuffer.wrap(text);
    }

    /** How many characters at the beginning of {@link #text} can no longer change. Never shrinks. */
    public int stableLength() {
        return stableLength;
    }

    /** Index of {@code part} in {@link #text}, at {@code from} or after it, or -1. A negative {@code from} is taken as 0. */
    public int indexOf(String part, int from) {
        return text.indexOf(part, from);
    }

    /** Ends the text, and returns it: what {@link Tokenizer#decode} gives for all tokens, but for the leading space if it is kept. */
    public String finish() {
        endRun();
        finished = true;
        return text.toString();
    }

    private void appendByte(int value) {
        runLength++;
        if (!runValid) {
            text.append(REPLACEMENT);
            stableLength = text.length();
            return;
        }
        switch (character.append(value)) {
            case COMPLETE -> put(Character.toString(character.codePoint()));
            case INCOMPLETE -> {}
            case INVALID -> invalidateRun();
        }
    }

    private void invalidateRun() {
        runValid = false;
        text.setLength(stableLength);
        put(String.valueOf(REPLACEMENT).repeat(runLength));
        stableLength = text.length();
    }

    private void endRun() {
        if (runValid && character.isOpen()) {
            invalidateRun();
        }
        runLength = 0;
        runValid = true;
        character.clear();
        stableLength = text.length();
    }

    private void put(String piece) {
        int start = dropSpace && piece.startsWith(" ") ? 1 : 0;
        dropSpace &= piece.isEmpty();
        text.append(piece, start, piece.length());
    }
}
