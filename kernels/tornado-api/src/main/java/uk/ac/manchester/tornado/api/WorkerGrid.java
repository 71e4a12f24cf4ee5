package uk.ac.manchester.tornado.api;

/** How many threads run a kernel in each of three dimensions, and how they are cut into work-groups. */
public interface WorkerGrid {

    int dimension();

    /** Threads in x, y, z. */
    long[] getGlobalWork();

    /** Threads of one work-group in x, y, z; null where the device decides. */
    long[] getLocalWork();

    void setGlobalWork(long x, long y, long z);

    void setLocalWork(long x, long y, long z);
}
