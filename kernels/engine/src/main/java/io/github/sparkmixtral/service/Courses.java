package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.service.Course.Ask;
import io.github.sparkmixtral.service.Course.End;
import io.github.sparkmixtral.service.Exchange.Place;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Takes the steps of rows' courses, each in a virtual thread. */
final class Courses implements AutoCloseable {
    private final Exchange exchange;
    private final ExecutorService threads = Executors.newThreadPerTaskExecutor(
            Thread.ofVirtual().name("spark-mixtral-course-", 0).factory());

    Courses(Exchange exchange) {
        this.exchange = exchange;
    }

    /** Lets a row take its next step, if it is still wanted. */
    void step(Place place, Answer answer) {
        exchange.leave(place, () -> threads.submit(() -> run(place, answer)));
    }

    private void run(Place place, Answer answer) {
        try {
            switch (place.course().after(answer)) {
                case Ask ask -> exchange.again(place, ask.request());
                case End end -> exchange.end(place, end.answer());
            }
        } catch (Throwable fault) {
            // Also when interrupted: if that was not because nobody wants the row, somebody waits for its answer.
            exchange.end(
                    place,
                    Answer.invalid(
                            place.row(),
                            new RequestError("internal_error", "the row's course broke off: " + fault, true)));
        }
    }

    /** Interrupts the steps that are being taken, and waits for their end. */
    @Override
    public void close() {
        threads.shutdownNow();
        threads.close();
    }
}
