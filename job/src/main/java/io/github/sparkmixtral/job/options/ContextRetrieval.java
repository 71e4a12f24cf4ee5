package io.github.sparkmixtral.job.options;

import java.io.Serializable;

/**
 * How passages are found for a row and put into its prompt.
 *
 * @param index path or URI of the index
 * @param passages how many are looked for, at least 1
 * @param query what is searched for; null for the row's prompt or its last user message
 * @param maxTokens that the passages may take; 0 for half of the longest sequence
 */
public record ContextRetrieval(String index, int passages, ContextMode mode, PromptTemplate query, int maxTokens)
        implements Serializable {}
