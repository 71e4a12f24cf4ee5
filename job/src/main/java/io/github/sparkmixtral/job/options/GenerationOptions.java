package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.engine.Pooling;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.service.RequestDefaults;
import io.github.sparkmixtral.service.RequestDefaults.Embedding;
import io.github.sparkmixtral.service.RequestDefaults.SpecialTokens;
import io.github.sparkmixtral.service.Task;
import java.io.Serializable;

/**
 * How a table is answered, checked and resolved.
 *
 * @param engine which engine answers
 * @param defaults what a row uses if it does not say otherwise
 * @param columns what of a row is the request
 * @param requireComplete whether an answer that has to be something, and was cut before its end, is an error
 */
public record GenerationOptions(
        EngineIdentity engine, RequestDefaults defaults, Columns columns, boolean requireComplete)
        implements Serializable {

    /** How an engine makes embeddings of texts that are taken as they are; of length 1. */
    public static GenerationOptions embeddings(EngineIdentity engine, Pooling pooling) {
        RequestDefaults reading = new RequestDefaults(
                Task.EMBED,
                null,
                false,
                SamplingParameters.DEFAULT,
                null,
                SpecialTokens.TEXT,
                new Embedding(pooling, true));
        return new GenerationOptions(engine, reading, null, false);
    }

    /** The same on another engine. */
    public GenerationOptions on(EngineIdentity other) {
        return new GenerationOptions(other, defaults, columns, requireComplete);
    }
}
