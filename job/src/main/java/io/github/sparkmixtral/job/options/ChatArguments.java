package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.service.RequestDefaults;
import io.github.sparkmixtral.service.RequestDefaults.Embedding;
import io.github.sparkmixtral.service.RequestDefaults.SpecialTokens;
import io.github.sparkmixtral.service.Task;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options that say how one person's conversation is answered, as they are written: those of a job that have a meaning there. */
public final class ChatArguments {
    @Mixin
    private NamedModel model;

    @Mixin
    private Conversation conversation;

    @Mixin
    private SamplingOptions sampling;

    @Mixin
    private EngineOptions engine;

    /** What every turn begins with. */
    static final class Conversation {
        @Option(
                names = {"--system-prompt", "--system"},
                paramLabel = "TEXT",
                description = "System message of the conversation; /system gives another one. Default: none")
        String systemPrompt;

        @Option(
                names = "--safe-prompt",
                defaultValue = "false",
                description = "Put Mistral's text for safe answers first, as its API does with safe_prompt.")
        boolean safePrompt;

        @Option(
                names = "--chat-template",
                paramLabel = ChatTemplateOption.LABEL,
                converter = ChatTemplateOption.class,
                description = ChatTemplateOption.DESCRIPTION)
        String chatTemplate;
    }

    /**
     * Checks and resolves.
     *
     * @throws JobException with exit code 2 and one sentence for the first fault
     */
    public ChatOptions resolve(boolean verbose) {
        if (sampling.n > 1) {
            throw JobException.usage("--n must be 1 in a chat, which shows one answer, not " + sampling.n);
        }
        if (sampling.logprobs >= 0 || sampling.promptLogprobs >= 0) {
            throw JobException.usage((sampling.logprobs >= 0 ? "--logprobs" : "--prompt-logprobs")
                    + " has no meaning in a chat, which shows text alone: leave it out");
        }
        RequestDefaults defaults = new RequestDefaults(
                Task.CHAT,
                null,
                conversation.safePrompt,
                sampling.parameters(),
                conversation.chatTemplate,
                SpecialTokens.TEXT,
                Embedding.DEFAULT);
        return new ChatOptions(
                new GenerationOptions(
                        EngineIdentity.of(model.options(), engine), defaults, null, sampling.requireComplete),
                conversation.systemPrompt == null ? "" : conversation.systemPrompt,
                verbose);
    }
}
