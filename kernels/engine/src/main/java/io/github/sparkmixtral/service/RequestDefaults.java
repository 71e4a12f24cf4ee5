package io.github.sparkmixtral.service;

import io.github.sparkmixtral.agent.AgentOptions;
import io.github.sparkmixtral.engine.Pooling;
import io.github.sparkmixtral.engine.SamplingParameters;
import java.io.Serializable;

/**
 * What a job lays under its rows. It does not decide which engine answers them: jobs with other defaults can share one.
 *
 * @param task what becomes of a prompt
 * @param systemPrompt put before the messages of every row that brings no system message of its own; null puts none
 * @param safePrompt whether {@link io.github.sparkmixtral.chat.Conversation#SAFE_PROMPT} comes first if a row does not say
 * @param chatTemplate what {@link io.github.sparkmixtral.chat.ChatFormat#choose} is asked for; null for the model's own format
 * @param specialTokens only {@code TEXT} with the task chat
 * @param embedding how the task embed makes its vectors
 * @param parameters what a row's own parameters are laid over; its seed is the job's seed
 * @param agent with the task agent; null with others
 */
public record RequestDefaults(
        Task task,
        String systemPrompt,
        boolean safePrompt,
        SamplingParameters parameters,
        String chatTemplate,
        SpecialTokens specialTokens,
        Embedding embedding,
        AgentOptions agent)
        implements Serializable {

    /**
     * How embeddings are made.
     *
     * @param normalize whether a vector is divided by its length
     */
    public record Embedding(Pooling pooling, boolean normalize) implements Serializable {
        public static final Embedding DEFAULT = new Embedding(Pooling.MEAN, false);
    }

    /** What special tokens in a prompt become that the task complete takes as it is. */
    public enum SpecialTokens {
        /** Text, spelled out. */
        TEXT,
        /** Tokens. */
        PARSE
    }

    /** Those of other tasks than an agent's. */
    public RequestDefaults(
            Task task,
            String systemPrompt,
            boolean safePrompt,
            SamplingParameters parameters,
            String chatTemplate,
            SpecialTokens specialTokens,
            Embedding embedding) {
        this(task, systemPrompt, safePrompt, parameters, chatTemplate, specialTokens, embedding, null);
    }

    /** Those of an agent. */
    public RequestDefaults(SamplingParameters parameters, AgentOptions agent) {
        this(Task.AGENT, null, false, parameters, null, SpecialTokens.TEXT, Embedding.DEFAULT, agent);
    }

    public RequestDefaults(Task task, String systemPrompt, SamplingParameters parameters) {
        this(task, systemPrompt, false, parameters, null, SpecialTokens.TEXT, Embedding.DEFAULT);
    }

    public RequestDefaults {
        if (!task.takesMessages() && systemPrompt != null) {
            throw new IllegalArgumentException(
                    "a system prompt needs the task chat: the task " + task.text() + " takes prompts as they are");
        }
        if (!task.takesMessages() && safePrompt) {
            throw new IllegalArgumentException(
                    "a safe prompt needs the task chat: the task " + task.text() + " takes prompts as they are");
        }
        if ((task == Task.AGENT) != (agent != null)) {
            throw new IllegalArgumentException("the task agent, and no other one, needs to know its tools");
        }
    }
}
