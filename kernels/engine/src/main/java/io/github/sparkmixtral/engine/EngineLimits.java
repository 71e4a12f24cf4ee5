package io.github.sparkmixtral.engine;

/**
 * What decides whether an engine takes a request. It follows from the model and the options alone, so that it can be asked without an
 * engine, too.
 *
 * @param vocabularySize width of a row of logits
 * @param hiddenSize width of a hidden state, and of an embedding
 * @param maxModelLength longest sequence, prompt and output together, in tokens
 */
public record EngineLimits(int vocabularySize, int hiddenSize, int maxModelLength) {

    /**
     * Checks a prompt.
     *
     * @param generates whether an answer is wanted
     * @throws IllegalArgumentException where it is empty, too long, leaves no room for an answer, or is not in the vocabulary
     */
    public void checkPrompt(int[] promptTokens, boolean generates) {
        if (promptTokens.length == 0) {
            throw new IllegalArgumentException("the prompt has no tokens");
        }
        if (promptTokens.length + (generates ? 1 : 0) > maxModelLength) {
            throw new IllegalArgumentException("the prompt has " + promptTokens.length + " tokens, which "
                    + (generates ? "leaves no room for an answer" : "does not fit") + " in a context of "
                    + maxModelLength + " tokens");
        }
        for (int token : promptTokens) {
            checkToken("prompt", token);
        }
    }

    /**
     * Checks parameters.
     *
     * @throws IllegalArgumentException where a token id is not in the vocabulary
     */
    public void checkParameters(SamplingParameters parameters) {
        parameters.stopTokenIds().forEach(token -> checkToken("stop_token_ids", token));
        parameters.logitBias().keySet().forEach(token -> checkToken("logit_bias", token));
    }

    private void checkToken(String what, int token) {
        if (token < 0 || token >= vocabularySize) {
            throw new IllegalArgumentException(
                    what + ": token " + token + " is not in the model's vocabulary of " + vocabularySize + " tokens");
        }
    }
}
