package io.github.sparkmixtral.engine;

import java.util.List;

/** Finds the backends on the class path. */
public final class Backends {

    /** Takes the best available provider. */
    public static final String AUTO = "auto";

    private Backends() {}

    /**
     * The provider called {@code name}, or for {@code auto} the available one with the highest rank, logging why each better
     * one was refused.
     *
     * @throws IllegalArgumentException for an unknown name, listing the known ones
     * @throws IllegalStateException where the named one cannot be used here, with its reason, or none can
     */
    public static BackendProvider find(String name) {
        throw new UnsupportedOperationException();
    }

    /** Names that {@link #find} knows, {@code auto} first. */
    public static List<String> names() {
        throw new UnsupportedOperationException();
    }
}
