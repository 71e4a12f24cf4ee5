package io.github.sparkmixtral.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;

/**
 * Byte-pair encoding with byte fallback (Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units"; the order
 * of merges is SentencePiece's). Symbols form a linked list over arrays, and the merges that are possible wait in a queue, so that n
 * characters take O(n log n). Immutable; the state of one encoding is a {@link Run}.
 *
 * @param merges symbols and merges
 * @param byteTokens token of each of the 256 bytes, or empty where there is no byte fallback
 * @param unknownTokenId token of a character without a piece, where there is no byte fallback
 * @param fuseUnknown whether a run of such characters is one token
 * @param unused pieces that may only be merged further: one that is left over is taken apart again
 */
record BytePairEncoder(MergeTable merges, int[] byteTokens, int unknownTokenId, boolean fuseUnknown, BitSet unused) {

    /** Encodes several pieces of text into one list. */
    Run run(TokenList output) {
        return new Run(output);
    }

    /** Working memory of one encoding. */
    final class Run {
        private static final int NONE = -1;

        private final TokenList output;
        private final MergeQueue queue = new MergeQueue();
        private final Map<Integer, int[]> unusedParts = new HashMap<>();
        private int[] symbols = new int[64];
        private int[] previous = new int[64];
        private int[] next = new int[64];

        private Run(TokenList output) {
            this.output = output;
        }

        /**
         * Encodes a text. It is cut into words, which changes nothing unless some piece spans two words, and is faster.
         *
         * @param splitWords whether it is to be cut before every U+2581, whatever that changes
         */
        void encode(String text, boolean splitWords) {
            boolean cut = splitWords || !merges.mergesAcrossWords();
            int start = 0;
            for (int i = 1; cut && i < text.length(); i++) {
                if (text.charAt(i) == Spacing.ESCAPED_SPACE
                        && (splitWords || text.charAt(i - 1) != Spacing.ESCAPED_SPACE)) {
                    encodeWord(text, start, i);
                    start = i;
                }
            }
            encodeWord(text, start, text.length());
        }

        private void encodeWord(String text, int start, int end) {
            int count = split(text, start, end);
            for (int i = 0; i + 1 < count; i++) {
                enqueue(i, i + 1);
            }
            while (!queue.isEmpty()) {
                int left = queue.position();
                int merged = merges.merged(queue.merge());
                queue.remove();
                // An entry is out of date where its symbols have since been merged with others.
                int right = symbols[left] == MERGED ? NONE : next[left];
                if (right != NONE) {
                    int merge = merges.find(symbols[left], symbols[right]);
                    if (merge != NONE && merges.merged(merge) == merged) {
                        merge(left, right, merged);
                    }
                }
            }
            for (int i = count == 0 ? NONE : 0; i != NONE; i = next[i]) {
                emit(symbols[i]);
            }
        }

        private int split(String text, int start, int end) {
            if (symbols.length < end - start) {
                int capacity = Math.max(end - start, 2 * symbols.length);
                symbols = new int[capacity];
                previous = new int[capacity];
                next = new int[capacity];
            }
            int count = 0;
            for (int i = start; i < end; count++) {
                int character = text.codePointAt(i);
                symbols[count] = merges.symbol(character);
                previous[count] = count - 1;
                next[count] = count + 1;
                i += Character.charCount(character);
            }
            if (count > 0) {
                next[count - 1] = NONE;
            }
            return count;
        }

        private void merge(int left, int right, int merged) {
            symbols[left] = merged;
            symbols[right] = MERGED;
            next[left] = next[right];
            if (next[left] != NONE) {
                previous[next[left]] = left;
                enqueue(left, next[left]);
            }
            if (previous[left] != NONE) {
                enqueue(previous[left], left);
            }
        }

        private void enqueue(int left, int right) {
            int merge = merges.find(symbols[left], symbols[right]);
            if (merge != NONE) {
                queue.add(merges.rank(merge), left, merge);
                if (unused.get(merges.merged(merge))) {
                    unusedParts.put(merges.merged(merge), new int[] {symbols[left], symbols[right]});
                }
            }
        }

        private void emit(int symbol) {
            if (!merges.isPiece(symbol)) {
                emitUnknown(merges.character(symbol));
            } else if (unused.get(symbol) && unusedParts.containsKey(symbol)) {
                int[] parts = unusedParts.get(symbol);
                emit(parts[0]);
                emit(parts[1]);
            } else {
                output.add(symbol);
            }
        }

        private void emitUnknown(int character) {
            if (byteTokens.length != 0) {
                for (byte b : Character.toString(character).getBytes(StandardCharsets.UTF_8)) {
                    output.add(byteTokens[b & 0xFF]);
                }
            } else if (!fuseUnknown || !output.endsWith(unknownTokenId)) {
                output.add(unknownTokenId);
            }
        }
    }

    /** Mark of a symbol that has become part of the one before it; no character is so low. */
    private static final int MERGED = Integer.MIN_VALUE;
}
