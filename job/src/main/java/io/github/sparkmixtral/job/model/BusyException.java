package io.github.sparkmixtral.job.model;

import java.io.IOException;
import java.time.Duration;

/** A server wants to be asked later. */
final class BusyException extends IOException {
    private static final long serialVersionUID = 1;

    private final Duration asked;

    /** @param asked as long as the server asks for; zero where it does not say */
    BusyException(String message, Duration asked) {
        super(message);
        this.asked = asked;
    }

    Duration asked() {
        return asked;
    }
}
