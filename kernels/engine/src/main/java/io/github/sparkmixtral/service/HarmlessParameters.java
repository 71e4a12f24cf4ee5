package io.github.sparkmixtral.service;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.Map;

/**
 * Parameters of other engines and services that a row may carry, as far as they ask for what is done anyway: those that change no
 * answer, and those that would, with the one value that does not. A null is harmless for every name.
 */
final class HarmlessParameters {
    /** They say where, when or for whom an answer is made, or how it is sent, and change nothing in it. */
    private static final String WITHOUT_EFFECT = """
            model stream stream_options user metadata store service_tier safety_identifier prompt_cache_key
            prompt_cache_retention request_id priority cache_salt guided_decoding_backend details decoder_input_details
            add_generation_prompt continue_final_message""";

    /** The last two above are so because a last message of the assistant is continued, and no other message can be. */
    private static final String HARMLESS = """
            {
              "parallel_tool_calls": [true], "functions": [[]], "function_call": ["auto", "none"],
              "modalities": [["text"]], "best_of": [1], "echo": [false], "suffix": [""],
              "use_beam_search": [false], "num_beams": [1], "num_beam_groups": [1], "length_penalty": [1], "early_stopping": [false],
              "skip_special_tokens": [true], "spaces_between_special_tokens": [true], "include_stop_str_in_output": [false],
              "detokenize": [true], "add_special_tokens": [true, false], "clean_up_tokenization_spaces": [false],
              "return_full_text": [false], "return_token_ids": [false], "return_tokens_as_token_ids": [false],
              "top_n_tokens": [0], "truncate_prompt_tokens": [-1],
              "bad_words": [[]], "allowed_token_ids": [[]], "logits_processors": [[]], "documents": [[]],
              "chat_template_kwargs": [{}], "vllm_xargs": [{}], "mm_processor_kwargs": [{}],
              "typical_p": [1], "top_a": [0], "tfs": [1], "epsilon_cutoff": [0], "eta_cutoff": [0], "mirostat": [0],
              "no_repeat_ngram_size": [0], "encoding_format": ["float"], "encoder_repetition_penalty": [1], "penalty_alpha": [0], "use_cache": [true],
              "watermark": [false], "reasoning_effort": ["none"]
            }""";

    /** No values where every one is harmless. */
    private static final Map<String, JsonNode> TABLE = new HashMap<>();

    static {
        Json.parse("the table of parameters", HARMLESS)
                .properties()
                .forEach(entry -> TABLE.put(entry.getKey(), entry.getValue()));
        for (String name : WITHOUT_EFFECT.split("\\s+", -1)) {
            TABLE.put(name, null);
        }
    }

    private HarmlessParameters() {}

    static boolean has(String name) {
        return TABLE.containsKey(name);
    }

    /**
     * Refuses a value that would change the answer.
     *
     * @throws IllegalArgumentException naming the parameter, and the values that are let pass
     */
    static void check(String name, JsonNode value) {
        JsonNode harmless = TABLE.get(name);
        if (harmless == null) {
            return;
        }
        for (JsonNode candidate : harmless) {
            boolean equalNumbers =
                    candidate.isNumber() && value.isNumber() && candidate.doubleValue() == value.doubleValue();
            if (equalNumbers || candidate.equals(value)) {
                return;
            }
        }
        StringBuilder wanted = new StringBuilder();
        harmless.forEach(candidate -> wanted.append(candidate).append(" or "));
        throw new IllegalArgumentException(
                name + " must be " + wanted + "left out, not " + Json.excerpt(value) + ": no other value is supported");
    }
}
