package io.github.sparkmixtral.model;

import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.lang.foreign.Arena;

/**
 * A model ready to run. Owns the memory behind every tensor; {@link #close} releases it, once however
 * often it is called, after which no tensor may be touched.
 *
 * @param description what its files say of it
 * @param arena shared arena behind the mapped files and the buffers quantized on load
 */
public record Model(ModelDescription description, Weights weights, Arena arena) implements AutoCloseable {

    public ModelConfig config() {
        return description.config();
    }

    public Tokenizer tokenizer() {
        return description.tokenizer();
    }

    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
