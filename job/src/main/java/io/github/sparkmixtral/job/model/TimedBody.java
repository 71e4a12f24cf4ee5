package io.github.sparkmixtral.job.model;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.SocketTimeoutException;
import java.net.http.HttpResponse.BodySubscriber;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow.Subscription;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** The body of an HTTP answer as a stream that fails if no bytes come for some time; the JDK's own waits for ever. */
final class TimedBody extends InputStream implements BodySubscriber<InputStream> {
    private sealed interface Arrival {}

    private record Bytes(List<ByteBuffer> buffers) implements Arrival {}

    /** @param failure null where the body is whole */
    private record End(Throwable failure) implements Arrival {}

    private final Duration timeout;
    private final CompletableFuture<Subscription> subscription = new CompletableFuture<>();
    private final BlockingQueue<Arrival> arrivals = new LinkedBlockingQueue<>();
    private final Deque<ByteBuffer> current = new ArrayDeque<>();
    private End end;

    TimedBody(Duration timeout) {
        this.timeout = timeout;
    }

    @Override
    public CompletionStage<InputStream> getBody() {
        return CompletableFuture.completedStage(this);
    }

    @Override
    public void onSubscribe(Subscription given) {
        subscription.complete(given);
        given.request(1);
    }

    @Override
    public void onNext(List<ByteBuffer> buffers) {
        arrivals.add(new Bytes(buffers));
    }

    @Override
    public void onError(Throwable failure) {
        arrivals.add(new End(failure));
    }

    @Override
    public void onComplete() {
        arrivals.add(new End(null));
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] bytes, int offset, int length) throws IOException {
        if (length == 0) {
            return 0;
        }
        while (current.isEmpty() || !current.peek().hasRemaining()) {
            current.poll();
            if (current.isEmpty() && !awaitMore()) {
                return -1;
            }
        }
        int read = Math.min(length, current.peek().remaining());
        current.peek().get(bytes, offset, read);
        return read;
    }

    /** Whether the body goes on. */
    private boolean awaitMore() throws IOException {
        if (end == null) {
            switch (next()) {
                case Bytes more -> {
                    current.addAll(more.buffers());
                    subscription.join().request(1);
                    return true;
                }
                case End last -> end = last;
            }
        }
        if (end.failure() != null) {
            throw new IOException(end.failure().getMessage(), end.failure());
        }
        return false;
    }

    private Arrival next() throws IOException {
        try {
            Arrival next = arrivals.poll(timeout.toMillis(), TimeUnit.MILLISECONDS);
            if (next == null) {
                close();
                throw new SocketTimeoutException("no bytes came for " + timeout.toSeconds() + " s");
            }
            return next;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            close();
            throw new InterruptedIOException("interrupted");
        }
    }

    /** Ends the transfer where it is not at its end. */
    @Override
    public void close() {
        subscription.thenAccept(Subscription::cancel);
    }
}
