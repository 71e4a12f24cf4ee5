package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.file.ModelException;
import java.util.List;
import java.util.Locale;

/** What products with quantized weights take their inputs as ({@code --activations}). */
public enum Activations {
    /** As the backend finds best on its machine. */
    AUTO,
    /** Floats. */
    F32,
    /** Integers of 16 bits, of which neighbours share a scale. */
    INT16;

    /**
     * For backends that know some of them only.
     *
     * @throws ModelException if this is none of those
     */
    public void requireOneOf(String backend, Activations... known) {
        if (!List.of(known).contains(this)) {
            throw new ModelException("--activations " + name().toLowerCase(Locale.ROOT) + " is not for the backend "
                    + backend + "; leave the option out, or take --backend cpu");
        }
    }
}
