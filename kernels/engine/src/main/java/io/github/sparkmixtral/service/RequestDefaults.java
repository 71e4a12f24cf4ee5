package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.SamplingParameters;
import java.io.Serializable;

/**
 * What a job lays under its rows. It does not decide which engine answers them: jobs with other defaults can share one.
 *
 * @param task what becomes of a prompt
 * @param systemPrompt put before the messages of every row that brings no system message of its own; null puts none
 * @param parameters what a row's own parameters are laid over; its seed is the job's seed
 */
public record RequestDefaults(Task task, String systemPrompt, SamplingParameters parameters) implements Serializable {

    public RequestDefaults {
        if (task == Task.COMPLETE && systemPrompt != null) {
            throw new IllegalArgumentException(
                    "a system prompt needs the task chat: the task complete takes prompts as they are");
        }
    }
}
