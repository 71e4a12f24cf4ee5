package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.Engine;
import io.github.sparkmixtral.engine.Request;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Where tasks and the engine thread meet: a bounded queue of requests one way, a mailbox of answers per session the other way.
 * Everything in it, its mailboxes too, is guarded by one lock, which nobody holds while he computes. Thread-safe.
 */
final class Exchange {
    private final int queueCapacity;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition work = lock.newCondition();
    private final Condition room = lock.newCondition();
    private final Deque<Ticket> queue = new ArrayDeque<>();
    private final Set<Mailbox> mailboxes = new HashSet<>();
    private boolean mailboxesClosed;
    private boolean closed;
    private Throwable failure;
    private Counters counters = new Counters(0, 0, 0, 0, 0, 0, 0, 0);

    /** A request, who asked, and the number that the row has there. */
    record Ticket(Mailbox mailbox, long row, Request request) {}

    /** The answers of one session. */
    final class Mailbox {
        private final Condition answered = lock.newCondition();
        private final Deque<Answer> answers = new ArrayDeque<>();
        private int outstanding;
        private volatile boolean closed;

        private Mailbox() {}

        /** Whether nobody will read any more. */
        boolean closed() {
            return closed;
        }
    }

    Exchange(int queueCapacity) {
        this.queueCapacity = queueCapacity;
    }

    // What tasks do. All of it throws IllegalStateException once something is closed or the engine has died.

    Mailbox open() {
        lock.lock();
        try {
            Mailbox mailbox = new Mailbox();
            checkUsable(mailbox);
            mailboxes.add(mailbox);
            return mailbox;
        } finally {
            lock.unlock();
        }
    }

    /** Queues a request; waits while the queue is full. */
    void submit(Mailbox mailbox, long row, Request request) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            checkUsable(mailbox);
            while (queue.size() >= queueCapacity) {
                room.await();
                checkUsable(mailbox);
            }
            mailbox.outstanding++;
            queue.add(new Ticket(mailbox, row, request));
            work.signal();
        } finally {
            lock.unlock();
        }
    }

    /** Answers a row that never became a request. */
    void refuse(Mailbox mailbox, Answer answer) {
        lock.lock();
        try {
            checkUsable(mailbox);
            mailbox.outstanding++;
            post(mailbox, answer);
        } finally {
            lock.unlock();
        }
    }

    /** Takes up to {@code most} answers; waits for the first as long as one is outstanding. */
    List<Answer> await(Mailbox mailbox, int most) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            checkUsable(mailbox);
            while (mailbox.answers.isEmpty() && mailbox.outstanding > 0) {
                mailbox.answered.await();
                checkUsable(mailbox);
            }
            return take(mailbox, most);
        } finally {
            lock.unlock();
        }
    }

    /** Takes up to {@code most} answers of those that are there. */
    List<Answer> poll(Mailbox mailbox, int most) {
        lock.lock();
        try {
            checkUsable(mailbox);
            return take(mailbox, most);
        } finally {
            lock.unlock();
        }
    }

    private static List<Answer> take(Mailbox mailbox, int most) {
        List<Answer> taken = new ArrayList<>();
        while (taken.size() < most && !mailbox.answers.isEmpty()) {
            taken.add(mailbox.answers.poll());
        }
        mailbox.outstanding -= taken.size();
        return taken;
    }

    int outstanding(Mailbox mailbox) {
        lock.lock();
        try {
            return mailbox.outstanding;
        } finally {
            lock.unlock();
        }
    }

    /** Drops what the session has queued and what it has not read, and tells the engine thread. Never throws. */
    void close(Mailbox mailbox) {
        lock.lock();
        try {
            mailbox.closed = true;
            mailbox.answers.clear();
            mailbox.outstanding = 0;
            mailboxes.remove(mailbox);
            mailboxesClosed = true;
            queue.removeIf(ticket -> ticket.mailbox() == mailbox);
            work.signal();
            room.signalAll();
            mailbox.answered.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private void checkUsable(Mailbox mailbox) {
        if (failure != null) {
            throw new IllegalStateException("the engine has died: " + failure, failure);
        }
        if (closed) {
            throw new IllegalStateException("the completion service is closed");
        }
        if (mailbox.closed) {
            throw new IllegalStateException("the session is closed");
        }
    }

    boolean hasFailed() {
        lock.lock();
        try {
            return failure != null;
        } finally {
            lock.unlock();
        }
    }

    Counters counters() {
        lock.lock();
        try {
            return counters.withQueuedRows(queue.size());
        } finally {
            lock.unlock();
        }
    }

    // What the engine thread does.

    /**
     * Waits until there is something to do: requests, sessions that were closed, or sequences that the engine has.
     *
     * @param sequences how many sequences to take, more or less: requests are taken until they have as many
     * @param taken gets the requests
     * @return false when the service is closed
     */
    boolean take(Engine engine, int sequences, List<Ticket> taken) throws InterruptedException {
        lock.lock();
        try {
            while (!closed && !mailboxesClosed && queue.isEmpty() && !engine.hasWork()) {
                work.await();
            }
            mailboxesClosed = false;
            int wanted = sequences;
            while (wanted > 0 && !queue.isEmpty()) {
                Ticket ticket = queue.poll();
                wanted -= ticket.request().parameters().n();
                taken.add(ticket);
            }
            room.signalAll();
            return !closed;
        } finally {
            lock.unlock();
        }
    }

    /** Answers a request. */
    void deliver(Mailbox mailbox, Answer answer) {
        lock.lock();
        try {
            post(mailbox, answer);
        } finally {
            lock.unlock();
        }
    }

    private void post(Mailbox mailbox, Answer answer) {
        counters = counters.plus(answer);
        if (!mailbox.closed) {
            mailbox.answers.add(answer);
            mailbox.answered.signalAll();
        }
    }

    /** Shows how far the engine is. */
    void publish(Engine engine) {
        lock.lock();
        try {
            counters = counters.with(engine.generatedTokens(), engine.running(), engine.waiting());
        } finally {
            lock.unlock();
        }
    }

    /** Ends everything: whoever waits, and whoever comes, gets an exception with this cause. */
    void fail(Throwable cause) {
        lock.lock();
        try {
            failure = cause;
            wakeAll();
        } finally {
            lock.unlock();
        }
    }

    void close() {
        lock.lock();
        try {
            closed = true;
            wakeAll();
        } finally {
            lock.unlock();
        }
    }

    private void wakeAll() {
        work.signalAll();
        room.signalAll();
        mailboxes.forEach(mailbox -> mailbox.answered.signalAll());
    }
}
