package uk.ac.manchester.tornado.api;

import uk.ac.manchester.tornado.api.enums.MMAShape;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
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

    /** A thread's part of a 16 by 8 tile of sums, all of them {@code value}. For tensor cores, as are the members below. */
    public float[] mmaFragment(float value) {
        return new float[] {value, value, value, value};
    }

    /**
     * A thread's part of a 16 by {@code k} tile of local memory: rows of {@code k} halves, two to an int, from {@code byteOffset}
     * on. All 32 threads of a warp come here together, as they do to every {@code mma} call.
     */
    public HalfFloat[] mmaLoadA(int[] tile, int k, int byteOffset) {
        return new HalfFloat[8];
    }

    /** As {@link #mmaLoadA(int[], int, int)}, of a {@code k} by 8 tile: rows of 8 halves. */
    public HalfFloat[] mmaLoadB(int[] tile, int k, int byteOffset) {
        return new HalfFloat[4];
    }

    /** {@code a * b + c} for the tiles that the threads of a warp hold together. */
    public float[] mma(HalfFloat[] a, HalfFloat[] b, float[] c, MMAShape shape) {
        return c;
    }

    /** Writes a 16 by 8 tile of sums to a matrix of {@code stride} columns, its first element to ({@code row}, {@code column}). */
    public void mmaStore(float[] tile, FloatArray matrix, int row, int column, int stride) {}
}
