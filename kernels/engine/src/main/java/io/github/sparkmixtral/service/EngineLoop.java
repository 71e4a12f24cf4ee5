package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.Completion;
import io.github.sparkmixtral.engine.Engine;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.service.Exchange.Ticket;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What the engine thread runs: takes requests out of the exchange, steps, puts answers back. Closes the backend at its end. */
final class EngineLoop implements Runnable {
    private final Backend backend;
    private final Engine engine;
    private final Exchange exchange;
    private final Map<String, Ticket> inEngine = new HashMap<>();

    EngineLoop(Backend backend, Engine engine, Exchange exchange) {
        this.backend = backend;
        this.engine = engine;
        this.exchange = exchange;
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
        inEngine.values().removeIf(ticket -> {
            boolean closed = ticket.mailbox().closed();
            if (closed) {
                engine.cancel(ticket.request().id());
            }
            return closed;
        });
    }

    private void add(Ticket ticket) {
        inEngine.put(ticket.request().id(), ticket);
        engine.add(ticket.request());
    }

    private void deliver(Completion completion) {
        Ticket ticket = inEngine.remove(completion.id());
        Request request = ticket.request();
        exchange.deliver(
                ticket.mailbox(),
                new Answer(ticket.row(), completion, request.parameters().seed()));
    }
}
