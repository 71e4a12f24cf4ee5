package io.github.sparkmixtral.service;

import io.github.sparkmixtral.agent.Agent;
import io.github.sparkmixtral.agent.AgentTool;
import io.github.sparkmixtral.agent.Toolbox;
import io.github.sparkmixtral.chat.ChatFormat;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.engine.EngineLimits;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelDescription;
import java.util.List;

/**
 * How large the requests are that rows become, told from the model's heads: rows are read, rendered, tokenized and checked as a
 * {@link CompletionService} does it, and nothing is computed. One thread.
 */
public final class RequestSizes {
    private final RequestDefaults defaults;
    private final RequestBuilder requestBuilder;
    private final ChatFormat chatFormat;
    private final Agent agent;
    private final int maxModelLength;

    /**
     * What a row asks for.
     *
     * @param promptTokens with what the chat format adds; 0 where there is an error
     * @param mostGenerated tokens that all of its answers may have; 0 where none is generated
     * @param error why the row cannot become a request; null where it can
     */
    public record Size(int promptTokens, long mostGenerated, RequestError error) {}

    /**
     * For the rows of a job.
     *
     * @param asked longest sequence in tokens that is asked for; 0 for the model's own limit
     * @param cacheTokens that the cache will hold
     * @param tools that an agent has beside its own
     * @throws IllegalArgumentException where the defaults do not fit the model, saying which
     */
    public RequestSizes(
            ModelDescription model, int asked, long cacheTokens, RequestDefaults defaults, List<AgentTool> tools) {
        ModelConfig config = model.config();
        long longest = Math.min(config.maxPositions(), cacheTokens);
        this.maxModelLength = (int) (asked > 0 ? Math.min(asked, longest) : longest);
        EngineLimits limits = new EngineLimits(config.vocabularySize(), config.hiddenSize(), maxModelLength);
        this.defaults = defaults;
        String wayOut = CompletionService.wayOut(maxModelLength, config.maxPositions(), asked);
        this.requestBuilder = new RequestBuilder(model, new RequestLimits(limits, wayOut));
        this.chatFormat = requestBuilder.chatFormat(defaults);
        this.agent = defaults.agent() == null
                ? null
                : Agent.of(defaults.agent(), Toolbox.of(defaults.agent(), tools), chatFormat);
    }

    public Size of(RowRequest row) {
        try {
            Request request = requestBuilder
                    .build(() -> "", row, defaults, chatFormat, agent)
                    .request();
            int prompt = request.promptTokens().length;
            return new Size(prompt, defaults.task().generates() ? most(request, prompt) : 0, null);
        } catch (InvalidRowException invalid) {
            return new Size(0, 0, invalid.error());
        }
    }

    private long most(Request request, int prompt) {
        int turns = agent == null ? 1 : defaults.agent().maxTurns();
        int answer = Math.min(request.parameters().maxTokens(), maxModelLength - prompt);
        return (long) turns * request.parameters().n() * answer;
    }
}
