package io.github.sparkmixtral.job.options;

import java.io.Serializable;

/**
 * How passages are found for a row, and put into its prompt or told an agent that searches for them.
 *
 * @param index path or URI of the index
 * @param passages how many are looked for, at least 1
 * @param query what is searched for; null for the row's prompt or its last user message
 * @param maxTokens that the passages may take; 0 for half of the longest sequence
 * @param asTool whether an agent searches; if not, passages stand in prompts
 */
public record ContextRetrieval(
        String index, int passages, ContextMode mode, PromptTemplate query, int maxTokens, boolean asTool)
        implements Serializable {}
