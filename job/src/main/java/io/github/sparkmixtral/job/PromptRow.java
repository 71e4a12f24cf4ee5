package io.github.sparkmixtral.job;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.service.Task;

/**
 * One input row as a request.
 *
 * @param id unique; null only where a table's row has none
 * @param idGiven whether the row gave it, rather than file and position
 * @param location {@code prompts.jsonl line 17}, for messages; empty for a table
 * @param task what is done with the prompt
 * @param prompt null where there are messages
 * @param messages JSON array; null where there is a prompt
 * @param tools JSON array; null for none
 * @param parameters JSON object of the row's own sampling parameters
 * @param error why the row cannot become a request; null where it can
 */
record PromptRow(
        String id,
        boolean idGiven,
        String location,
        Task task,
        String prompt,
        String messages,
        String tools,
        String parameters,
        RequestError error) {}
