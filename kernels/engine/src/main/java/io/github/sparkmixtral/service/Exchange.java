package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.Engine;
import io.github.sparkmixtral.engine.EngineCounters;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.service.RequestBuilder.Built;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

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

    /** Requests of rows that have begun: taken first, so that rows end, and as many as there are, so that nobody waits to put one in. */
    private final Deque<Ticket> continued = new ArrayDeque<>();

    private final Set<Mailbox> mailboxes = new HashSet<>();
    private boolean mailboxesClosed;
    private boolean closed;
    private Throwable failure;
    private Counters counters;

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
        private final Course course;
        private final long start = System.nanoTime();
        private Future<?> step;
        private Answer answer;

        private final boolean streamed;

        /** What of a streamed answer's text has come and was not taken yet. */
        private String fresh = "";

        /** Characters of the answer's text that have come so far. */
        private int grown;

        private Place(Mailbox mailbox, long row, long entries, Course course, boolean streamed) {
            this.mailbox = mailbox;
            this.row = row;
            this.entries = entries;
            this.course = course;
            this.streamed = streamed;
        }

        /** Whether somebody reads the answer while it grows. */
        boolean streamed() {
            return streamed;
        }

        /** Characters of the answer's text that have come so far. The engine thread's. */
        int grown() {
            return grown;
        }

        /** What becomes of its completions; null if the first one is its answer. */
        Course course() {
            return course;
        }

        private void interrupt() {
            if (step != null) {
                step.cancel(true);
            }
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

        /** Rows of those that do a step of their course, which the engine does not have. */
        private int away;

        private long entries;
        private volatile boolean closed;

        private Mailbox() {}

        private Place add(long row, long size, Course course, boolean streamed) {
            Place place = new Place(this, row, size, course, streamed);
            places.add(place);
            unanswered++;
            entries += size;
            return place;
        }

        private boolean isAnswered() {
            return !places.isEmpty() && places.peek().answer != null;
        }

        private int atEngine() {
            return unanswered - away;
        }
    }

    /** @param engine what the engine counts before its first step */
    Exchange(int queueCapacity, EngineCounters engine) {
        this.queueCapacity = queueCapacity;
        this.counters = new Counters(0, 0, 0, 0, 0, 0, 0, engine);
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
     * @param entries how large its answer may be
     * @param streamed whether its text is {@linkplain #grown read} while it grows
     */
    Place submit(Mailbox mailbox, long row, Built built, long entries, boolean streamed) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            checkUsable(mailbox);
            while (queue.size() >= queueCapacity) {
                room.await();
                checkUsable(mailbox);
            }
            Place place = mailbox.add(row, entries, built.course(), streamed);
            queue.add(new Ticket(place, built.request(), built.choices()));
            work.signal();
            return place;
        } finally {
            lock.unlock();
        }
    }

    /** Answers a row that never became a request. */
    Place refuse(Mailbox mailbox, Answer answer) {
        lock.lock();
        try {
            checkUsable(mailbox);
            Place place = mailbox.add(answer.row(), 0, null, false);
            post(place, answer);
            return place;
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

    /** Waits until a streamed answer has grown, and takes what was added; empty if it has ended. */
    String grown(Place place) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            checkUsable(place.mailbox);
            while (place.fresh.isEmpty() && place.answer == null) {
                place.mailbox.answered.await();
                checkUsable(place.mailbox);
            }
            String added = place.fresh;
            place.fresh = "";
            return added;
        } finally {
            lock.unlock();
        }
    }

    /** Waits until the first row is answered, or the engine is rid of any other one; not at all where none is outstanding. */
    void awaitProgress(Mailbox mailbox) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            checkUsable(mailbox);
            int before = mailbox.atEngine();
            while (!mailbox.isAnswered() && !mailbox.places.isEmpty() && mailbox.atEngine() == before) {
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

    int atEngine(Mailbox mailbox) {
        lock.lock();
        try {
            return mailbox.atEngine();
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

    /** Drops what the session has queued and what it has not read, interrupts its courses, and tells the engine thread. Never throws. */
    void close(Mailbox mailbox) {
        lock.lock();
        try {
            mailbox.closed = true;
            mailbox.places.forEach(Place::interrupt);
            mailbox.places.clear();
            mailbox.unanswered = 0;
            mailbox.away = 0;
            mailbox.entries = 0;
            mailboxes.remove(mailbox);
            mailboxesClosed = true;
            queue.removeIf(ticket -> ticket.place().mailbox == mailbox);
            continued.removeIf(ticket -> ticket.place().mailbox == mailbox);
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
            return counters.withQueuedRows(queue.size() + continued.size());
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
            while (!closed && !mailboxesClosed && queue.isEmpty() && continued.isEmpty() && !engine.hasWork()) {
                work.await();
            }
            mailboxesClosed = false;
            int wanted = sequences;
            while (wanted > 0 && !(queue.isEmpty() && continued.isEmpty())) {
                Ticket ticket = continued.isEmpty() ? queue.poll() : continued.poll();
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

    /** Adds to a streamed answer. */
    void grow(Place place, String text) {
        lock.lock();
        try {
            addText(place, text);
        } finally {
            lock.unlock();
        }
    }

    private static void addText(Place place, String text) {
        if (!text.isEmpty() && !place.mailbox.closed) {
            place.fresh += text;
            place.grown += text.length();
            place.mailbox.answered.signalAll();
        }
    }

    // What courses do. None of it throws: a row that nobody waits for any more is dropped.

    /** Takes a row from the engine for a step of its course. */
    void leave(Place place, Supplier<Future<?>> step) {
        lock.lock();
        try {
            if (isWanted(place)) {
                place.mailbox.away++;
                place.mailbox.answered.signalAll();
                place.step = step.get();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Queues the next request of a row that has left. */
    void again(Place place, Request request) {
        lock.lock();
        try {
            if (isWanted(place)) {
                comeBack(place);
                continued.add(new Ticket(place, request, List.of()));
                work.signal();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Answers a row that has left. */
    void end(Place place, Answer answer) {
        lock.lock();
        try {
            if (isWanted(place)) {
                comeBack(place);
                post(place, answer);
            }
        } finally {
            lock.unlock();
        }
    }

    private static void comeBack(Place place) {
        place.mailbox.away--;
        place.step = null;
    }

    private boolean isWanted(Place place) {
        return !closed && failure == null && !place.mailbox.closed;
    }

    private void post(Place place, Answer answer) {
        counters = counters.plus(answer);
        Mailbox mailbox = place.mailbox;
        if (!mailbox.closed) {
            if (place.streamed && !answer.outcome().outputs().isEmpty()) {
                String text = answer.outcome().outputs().getFirst().text();
                addText(place, text == null ? "" : text.substring(Math.min(place.grown, text.length())));
            }
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
            counters = counters.with(engine.counters());
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
        mailboxes.forEach(mailbox -> {
            mailbox.answered.signalAll();
            mailbox.places.forEach(Place::interrupt);
        });
    }
}
