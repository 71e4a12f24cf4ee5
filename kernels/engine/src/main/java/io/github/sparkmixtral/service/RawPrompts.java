package io.github.sparkmixtral.service;

import io.github.sparkmixtral.service.RequestDefaults.SpecialTokens;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Prompts that are taken as they are: text becomes tokens behind BOS. May be used by many threads at once. */
final class RawPrompts {
    private static final Logger LOG = LoggerFactory.getLogger(RawPrompts.class);

    private final Tokenizer tokenizer;
    private final AtomicBoolean warned = new AtomicBoolean();

    RawPrompts(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /**
     * A prompt and a completion of it.
     *
     * @param tokens of both
     * @param prompt how many of them are the prompt's
     */
    record Completed(int[] tokens, int prompt) {}

    /**
     * A prompt's tokens, BOS first.
     *
     * @param special what special tokens in the text become
     */
    int[] tokens(String prompt, SpecialTokens special) {
        boolean parses = special == SpecialTokens.PARSE;
        OptionalInt first = tokenizer.controlTokenAtStart(prompt.stripLeading());
        if (!parses && first.isPresent() && !warned.getAndSet(true)) {
            LOG.warn(
                    "A prompt begins with {}, as one that is rendered already: without --task chat it is spelled out as"
                            + " text. Give --special-tokens parse to make tokens of it.",
                    tokenizer.controlTokens().get(first.getAsInt()));
        }
        int[] text = parses ? tokenizer.encodeWithControls(prompt) : tokenizer.encode(prompt);
        if (parses && text.length > 0 && text[0] == tokenizer.bosTokenId()) {
            return text;
        }
        int[] tokens = new int[text.length + 1];
        tokens[0] = tokenizer.bosTokenId();
        System.arraycopy(text, 0, tokens, 1, text.length);
        return tokens;
    }

    /**
     * Encodes prompt and completion together, and cuts them as the LM Evaluation Harness does: spaces at the prompt's end belong to the
     * completion, whose tokens are those beyond the prompt's own.
     */
    Completed completed(String prompt, String completion, SpecialTokens special) {
        String context = prompt.stripTrailing();
        int[] tokens = tokens(prompt + completion, special);
        return new Completed(tokens, Math.min(tokens(context, special).length, tokens.length));
    }

    /** How many tokens two texts begin with alike. */
    static int common(int[] some, int[] others) {
        int mismatch = Arrays.mismatch(some, others);
        return mismatch < 0 ? some.length : mismatch;
    }
}
