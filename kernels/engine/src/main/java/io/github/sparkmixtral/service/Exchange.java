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

    /**
     * A request, and the place that its answer has in the mailbox of who asked.
     *
     * @param choices requests that run in place of it and say how likely each of its choices is; empty for a request that runs itself
     */
    record Ticket(Place place, Request request, List<Request> choices) {}

    /** Where a row's answer goes. */
    static final class Place {
        private final Mailbox mailbox;
        private final long row;
        private final long entries;
        private final long start = System.nanoTime();
        private Answer answer;

        private Place(Mailbox mailbox, long row, long entries) {
            this.mailbox = mailbox;
            this.row = row;
            this.entries = entries;
        }

        /** The number that the row has where it was asked. */
        long row() {
            return row;
        }

        /** How long the row has waited. */
        double seconds() {
            return (System.nanoTime() - start) / 1e9;
        }

        /** Whether nobody will read any more. */
        boolean closed() {
            return mailbox.closed;
        }
    }

    /** The rows of one session in the order in which they were submitted, with the answers that are there. */
    final class Mailbox {
        private final Condition answered = lock.newCondition();
        private final Deque<Place> places = new ArrayDeque<>();
        private int unanswered;
        private long entries;
        private volatile boolean closed;

        private Mailbox() {}

        private Place add(long row, long size) {
            Place place = new Place(this, row, size);
            places.add(place);
            unanswered++;
            entries += size;
            return place;
        }

        private boolean isAnswered() {
            return !places.isEmpty() && places.peek().answer != null;
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

    /**
     * Queues a request; waits while the queue is full.
     *
     * @param choices see {@link Ticket}
     * @param entries how large its answer may be
     */
    void submit(Mailbox mailbox, long row, Request request, List<Request> choices, long entries)
            throws InterruptedException {
        lock.lockInterruptibly();
        try {
            checkUsable(mailbox);
            while (queue.size() >= queueCapacity) {
                room.await();
                checkUsable(mailbox);
            }
            queue.add(new Ticket(mailbox.add(row, entries), request, choices));
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
            post(mailbox.add(answer.row(), 0), answer);
        } finally {
            lock.unlock();
        }
    }

    /** Takes up to {@code most} answers; waits for the first as long as one is outstanding. */
    List<Answer> await(Mailbox mailbox, int most) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            checkUsable(mailbox);
            while (!mailbox.isAnswered() && !mailbox.places.isEmpty()) {
                mailbox.answered.await();
                checkUsable(mailbox);
            }
            return take(mailbox, most);
        } finally {
            lock.unlock();
        }
    }

    /** Waits until the first row is answered, or any other one; not at all where none is outstanding. */
    void awaitProgress(Mailbox mailbox) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            checkUsable(mailbox);
            int before = mailbox.unanswered;
            while (!mailbox.isAnswered() && !mailbox.places.isEmpty() && mailbox.unanswered == before) {
                mailbox.answered.await();
                checkUsable(mailbox);
            }
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
        while (taken.size() < most && mailbox.isAnswered()) {
            Place place = mailbox.places.poll();
            mailbox.entries -= place.entries;
            taken.add(place.answer);
        }
        return taken;
    }

    int outstanding(Mailbox mailbox) {
        lock.lock();
        try {
            return mailbox.places.size();
        } finally {
            lock.unlock();
        }
    }

    int unanswered(Mailbox mailbox) {
        lock.lock();
        try {
            return mailbox.unanswered;
        } finally {
            lock.unlock();
        }
    }

    long entries(Mailbox mailbox) {
        lock.lock();
        try {
            return mailbox.entries;
        } finally {
            lock.unlock();
        }
    }

    /** Drops what the session has queued and what it has not read, and tells the engine thread. Never throws. */
    void close(Mailbox mailbox) {
        lock.lock();
        try {
            mailbox.closed = true;
            mailbox.places.clear();
            mailbox.unanswered = 0;
            mailbox.entries = 0;
            mailboxes.remove(mailbox);
            mailboxesClosed = true;
            queue.removeIf(ticket -> ticket.place().mailbox == mailbox);
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
                wanted -= ChoiceScores.sequences(ticket);
                taken.add(ticket);
            }
            room.signalAll();
            return !closed;
        } finally {
            lock.unlock();
        }
    }

    /** Answers a request. */
    void deliver(Place place, Answer answer) {
        lock.lock();
        try {
            post(place, answer);
        } finally {
            lock.unlock();
        }
    }

    private void post(Place place, Answer answer) {
        counters = counters.plus(answer);
        Mailbox mailbox = place.mailbox;
        if (!mailbox.closed) {
            place.answer = answer;
            mailbox.unanswered--;
            // A reader waits for the first row's answer; one that submits and reads wants to know of the others, too.
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
