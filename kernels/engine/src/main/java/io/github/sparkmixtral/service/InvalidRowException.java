package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.Completion.RequestError;

/** A row cannot become a request. Never leaves this package: the row is answered with the error. */
final class InvalidRowException extends Exception {
    private static final long serialVersionUID = 1L;

    private final transient RequestError error;

    InvalidRowException(String code, String message) {
        super(message, null, false, false);
        error = new RequestError(code, message, false);
    }

    RequestError error() {
        return error;
    }
}
