package io.github.sparkmixtral.job.chat;

/** Where a person writes and reads. */
interface ChatTerminal extends AutoCloseable {

    /** What came in. */
    sealed interface Input {}

    /** A line without its end. */
    record Line(String text) implements Input {}

    /** The person has dropped what he was writing. */
    record Dropped() implements Input {}

    /** Nothing more will come. */
    record End() implements Input {}

    /** @param continued whether a line goes on with the one before */
    Input read(boolean continued);

    /** Shows a part of an answer at once. */
    void answer(String text);

    /** Ends an answer. */
    void endAnswer();

    /** Shows a line that is no answer. */
    void note(String line);

    /** Whether somebody sits there, who can mend what went wrong. */
    boolean isInteractive();

    /** Until it is closed, an interrupt does this and nothing else. */
    Interrupts onInterrupt(Runnable action);

    /** What interrupts do for a while. */
    interface Interrupts extends AutoCloseable {
        @Override
        void close();
    }

    @Override
    void close();
}
