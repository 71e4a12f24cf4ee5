package uk.ac.manchester.tornado.api;

import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * What a kernel knows of its thread: the thread's indices, the work-group's local memory and barriers. The TornadoVM
 * compiler replaces every member by the device's own instruction; these bodies are those of a single thread.
 */
public class KernelContext {

    // Of a reference type, as in the SDK: a kernel must read the field, which an int would turn into a constant.
    public final Integer globalIdx = 0;
    public final Integer globalIdy = 0;
    public final Integer globalIdz = 0;
    public final Integer groupIdx = 0;
    public final Integer groupIdy = 0;
    public final Integer groupIdz = 0;
    public final Integer localIdx = 0;
    public final Integer localIdy = 0;
    public final Integer localIdz = 0;
    public final Integer globalGroupSizeX = 0;
    public final Integer globalGroupSizeY = 0;
    public final Integer globalGroupSizeZ = 0;
    public final Integer localGroupSizeX = 0;
    public final Integer localGroupSizeY = 0;
    public final Integer localGroupSizeZ = 0;

    public KernelContext() {}

    /** Waits for all threads of the work-group; local memory written before is seen by all of them after. */
    public void localBarrier() {}

    /** As {@link #localBarrier}, and global memory written by the work-group is seen by its threads too. */
    public void globalBarrier() {}

    /** Local memory of the work-group, not initialised; the same array for all of its threads. */
    public int[] allocateIntLocalArray(int size) {
        return new int[size];
    }

    /** Local memory of the work-group, not initialised; the same array for all of its threads. */
    public float[] allocateFloatLocalArray(int size) {
        return new float[size];
    }

    /** {@code array[index] += value} as one indivisible operation. */
    public void atomicAdd(IntArray array, int index, int value) {
        array.set(index, array.get(index) + value);
    }

    /** {@code array[index] += value} as one indivisible operation. */
    public void atomicAdd(int[] array, int index, int value) {
        array[index] += value;
    }
}
