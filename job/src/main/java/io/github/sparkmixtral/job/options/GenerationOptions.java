package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.service.RequestDefaults;
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

    /** The same on another engine. */
    public GenerationOptions on(EngineIdentity other) {
        return new GenerationOptions(other, defaults, columns, requireComplete);
    }
}
