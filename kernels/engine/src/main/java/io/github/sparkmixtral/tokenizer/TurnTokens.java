package io.github.sparkmixtral.tokenizer;

import java.util.List;
import java.util.Set;

/**
 * Tokens that frame turns, by their text. Files give some of them the type of an ordinary or a user-defined piece; they are control tokens
 * all the same, so that no typed text becomes one of them.
 */
public final class TurnTokens {
    /** Tokens with which fine-tuned models end a turn, as llama.cpp knows them too. */
    public static final List<String> ENDS = List.of(
            "</s>",
            "<|im_end|>",
            "<|eot_id|>",
            "<|eom_id|>",
            "<|end|>",
            "<|endoftext|>",
            "<|end_of_text|>",
            "<|end_of_turn|>",
            "<end_of_turn>",
            "<|eot|>");

    private static final Set<String> OTHERS = Set.of(
            "[INST]",
            "[/INST]",
            "[TOOL_CALLS]",
            "[AVAILABLE_TOOLS]",
            "[/AVAILABLE_TOOLS]",
            "[TOOL_RESULTS]",
            "[/TOOL_RESULTS]",
            "<|im_start|>",
            "<|start_header_id|>",
            "<|end_header_id|>",
            "<start_of_turn>",
            "<|system|>",
            "<|user|>",
            "<|assistant|>");

    private TurnTokens() {}

    static boolean contains(String piece) {
        return OTHERS.contains(piece) || ENDS.contains(piece);
    }
}
