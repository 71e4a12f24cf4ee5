package org.rapaio.jupyter.kernel.channels;

/**
 * Reads one of the kernel's channels. Takes the place of the kernel's class of this name, whose threads may end as they begin: one that runs before its
 * starter has said so stops at once, and one that gets a message before the kernel knows its handlers dies of it. Then the kernel never
 * answers. This one runs until it is told to stop; a message that comes too early is lost, and Jupyter asks again.
 */
public final class LoopThread extends Thread {
    private final long pauseMillis;
    private final Runnable body;
    private volatile boolean stopped;

    public LoopThread(String name, long pauseMillis, Runnable body) {
        super(name);
        this.pauseMillis = pauseMillis;
        this.body = body;
    }

    @Override
    public void run() {
        while (!stopped) {
            try {
                body.run();
                Thread.sleep(pauseMillis);
            } catch (InterruptedException e) {
                return;
            } catch (RuntimeException e) {
                System.err.println(getName() + ": " + e);
            }
        }
    }

    public void shutdown() {
        stopped = true;
    }
}
