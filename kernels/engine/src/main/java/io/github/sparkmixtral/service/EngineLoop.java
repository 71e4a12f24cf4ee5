package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.Completion;
import io.github.sparkmixtral.engine.Engine;
import io.github.sparkmixtral.service.Exchange.Ticket;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What the engine thread runs: takes requests out of the exchange, steps, puts answers back. Closes the backend at its end. */
final class EngineLoop implements Runnable {
    private final Backend backend;
    private final Engine engine;
    private final Exchange exchange;
    private final Courses courses;
    private final EqualRequests requests = new EqualRequests();
    private final ChoiceScores choices = new ChoiceScores();

    /** Requests whose answers are read while they grow. */
    private final List<Ticket> streamed = new ArrayList<>();

    EngineLoop(Backend backend, Engine engine, Exchange exchange, Courses courses) {
        this.backend = backend;
        this.engine = engine;
        this.exchange = exchange;
        this.courses = courses;
    }

    @Override
    public void run() {
        try (backend) {
            List<Ticket> taken = new ArrayList<>();
            while (exchange.take(engine, room(), taken)) {
                cancelClosed();
                taken.forEach(this::add);
                taken.clear();
                engine.step().forEach(this::deliver);
                streamed.removeIf(this::hasEnded);
                exchange.publish(engine);
            }
        } catch (Throwable cause) {
            // Whatever it is, an Error too: the tasks must hear of it, or they would wait for ever.
            exchange.fail(cause);
        }
    }

    /** What the engine has waiting is kept short, so that the bound of the queue is the bound of what waits. */
    private int room() {
        return backend.maxSequences() - engine.waiting();
    }

    private void cancelClosed() {
        requests.withoutReader().forEach(engine::cancel);
        choices.forgetClosed();
    }

    private void add(Ticket row) {
        choices.parts(row).forEach(this::addPart);
    }

    private void addPart(Ticket ticket) {
        Completion known = requests.known(ticket.request());
        if (known != null) {
            deliver(ticket, known, true);
        } else if (requests.add(ticket)) {
            engine.add(ticket.request());
            if (ticket.place().streamed() && ticket.place().course() == null) {
                streamed.add(ticket);
            }
        }
    }

    /** Passes on what an answer has grown by; true if it has ended. */
    private boolean hasEnded(Ticket ticket) {
        Optional<String> growth =
                engine.growth(ticket.request().id(), ticket.place().grown());
        growth.ifPresent(text -> exchange.grow(ticket.place(), text));
        return growth.isEmpty();
    }

    private void deliver(Completion completion) {
        List<Ticket> tickets = requests.completed(completion);
        for (Ticket ticket : tickets) {
            deliver(ticket, completion, ticket != tickets.getFirst());
        }
    }

    private void deliver(Ticket ticket, Completion completion, boolean copied) {
        Answer answer = choices.answer(ticket, completion, copied);
        if (answer == null) {
            return;
        }
        if (ticket.place().course() == null) {
            exchange.deliver(ticket.place(), answer);
        } else {
            courses.step(ticket.place(), answer);
        }
    }
}
