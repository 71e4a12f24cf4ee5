package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.Request;

/**
 * The way of a row on which the engine's first word need not be the answer. Steps are taken one after another, never on the engine
 * thread, and may wait for others as long as they like. A row that nobody waits for any more has its step interrupted.
 */
interface Course {

    /** What follows on a completion. */
    sealed interface Step {}

    /** Another request, with an id of its own. */
    record Ask(Request request) implements Step {}

    /** The row's answer. */
    record End(Answer answer) implements Step {}

    /**
     * Takes the next step.
     *
     * @param answer to the last request, which may be an error
     */
    Step after(Answer answer) throws InterruptedException;
}
