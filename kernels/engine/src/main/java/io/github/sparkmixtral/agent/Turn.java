package io.github.sparkmixtral.agent;

/**
 * A call of a tool, or the final answer.
 *
 * @param tool the name that the model has called; null for words that were no call
 * @param input of the tool: text, or JSON that is no text; the answer, or the words that were no call
 * @param output what the tool said; null where it said nothing, as after the final answer
 * @param error why it said nothing; null for no error
 * @param promptTokens of the request that led to it. Of several calls in one answer the first has the tokens, the others have none, so
 *     that the sum is the row's.
 * @param completionTokens of the answer, in the same way
 */
public record Turn(String tool, String input, String output, String error, int promptTokens, int completionTokens) {}
