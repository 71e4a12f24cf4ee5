package io.github.sparkmixtral.job.input;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.service.RowRequest;

/**
 * One input row and what it asks for.
 *
 * @param id null only where a table's row has none
 * @param idGiven whether the row gave it, rather than file and position
 * @param location {@code prompts.jsonl line 17}, for messages; empty for a table
 * @param request not yet checked; null where there is an error, or the row asks for nothing
 * @param error why there is no request; null where there is one
 */
public record PromptRow(String id, boolean idGiven, String location, RowRequest request, RequestError error) {}
