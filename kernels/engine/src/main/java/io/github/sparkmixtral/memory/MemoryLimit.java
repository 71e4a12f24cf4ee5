package io.github.sparkmixtral.memory;

import io.github.sparkmixtral.file.ModelException;
import java.util.function.LongFunction;

/**
 * The most memory off the heap that a model and its backend may take, beside what the machine has free.
 *
 * @param bytes in all, with what a model holds that is not mapped
 * @param refusal the sentence for one that needs more, from the bytes that it needs: what limits them, and the way out
 */
public record MemoryLimit(long bytes, LongFunction<String> refusal) {

    /** Only the machine limits. */
    public static final MemoryLimit NONE = new MemoryLimit(Long.MAX_VALUE, _ -> "");

    /**
     * Checks before anything is taken.
     *
     * @return bytes left beside those needed
     * @throws ModelException where they are more than the limit
     */
    public long leftBeside(long needed) {
        if (needed > bytes) {
            throw new ModelException(refusal.apply(needed));
        }
        return bytes - needed;
    }
}
