package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.tokenizer.StreamDecoder;
import java.util.List;

/** The text of one output as it grows, watched for stop strings, which may lie across the borders of tokens. */
final class OutputText {
    private static final int NONE = -1;

    private final StreamDecoder decoder;
    private final List<String> stop;
    private int protectedLength;
    private int cut = NONE;

    OutputText(StreamDecoder decoder, List<String> stop) {
        this.decoder = decoder;
        this.stop = stop;
    }

    /** Takes a token before which no stop string counts, and in whose text none may end. */
    void appendProtected(int token) {
        decoder.append(token);
        protectedLength = decoder.text().length();
    }

    /** Takes a token; true when a stop string now stands in the text. */
    boolean append(int token) {
        // Characters past the stable ones may have turned into others, so a match may newly begin a whole stop string
        // before them.
        int settled = Math.max(protectedLength, decoder.stableLength());
        decoder.append(token);
        for (String end : stop) {
            int from = Math.max(0, settled - end.length() + 1);
            int found = decoder.indexOf(end, from);
            if (found != NONE && (cut == NONE || found < cut)) {
                cut = found;
            }
        }
        return cut != NONE;
    }

    /** What stands from a place on and stays as it is whatever follows: no part of a stop string that may have begun. */
    String settled(int from) {
        String stable = decoder.text().subSequence(0, decoder.stableLength()).toString();
        int end = stable.length();
        for (String part : stop) {
            int begin = Math.max(0, stable.length() - part.length() + 1);
            while (begin < end && !part.startsWith(stable.substring(begin))) {
                begin++;
            }
            end = Math.min(end, begin);
        }
        return end > from ? stable.substring(from, end) : "";
    }

    /** The text, cut before the earliest stop string. To be called once, at the end. */
    String finish() {
        return cut == NONE
                ? decoder.finish()
                : decoder.text().subSequence(0, cut).toString();
    }
}
