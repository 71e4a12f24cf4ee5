package io.github.sparkmixtral.tornado;

import java.lang.reflect.Field;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.enums.MMAShape;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** What a simulated thread knows of itself. Never to be loaded where TornadoVM compiles kernels: it breaks its intrinsics. */
final class SimulatedContext extends KernelContext {

    private static final Field[] GLOBAL = fields("globalIdx", "globalIdy", "globalIdz");
    private static final Field[] GROUP = fields("groupIdx", "groupIdy", "groupIdz");
    private static final Field[] LOCAL = fields("localIdx", "localIdy", "localIdz");
    private static final Field[] GLOBAL_SIZE = fields("globalGroupSizeX", "globalGroupSizeY", "globalGroupSizeZ");
    private static final Field[] LOCAL_SIZE = fields("localGroupSizeX", "localGroupSizeY", "localGroupSizeZ");

    private final WorkGroup group;
    private final int index;
    private int arrays;
    private Object[] received = {};

    /** Thread {@code index} of a work-group, x fastest. */
    SimulatedContext(WorkGroup group, int index, int[] groups, int[] local) {
        this.group = group;
        this.index = index;
        set(LOCAL, index % local[0], index / local[0] % local[1], index / local[0] / local[1]);
        set(LOCAL_SIZE, local[0], local[1], local[2]);
        set(GLOBAL_SIZE, groups[0] * local[0], groups[1] * local[1], groups[2] * local[2]);
    }

    void enter(int x, int y, int z) {
        arrays = 0;
        set(GROUP, x, y, z);
        set(GLOBAL, x * localGroupSizeX + localIdx, y * localGroupSizeY + localIdy, z * localGroupSizeZ + localIdz);
    }

    @Override
    public void localBarrier() {
        group.await();
    }

    @Override
    public void globalBarrier() {
        group.await();
    }

    @Override
    public int[] allocateIntLocalArray(int size) {
        return (int[]) group.localArray(index, arrays++, int.class, size);
    }

    @Override
    public float[] allocateFloatLocalArray(int size) {
        return (float[]) group.localArray(index, arrays++, float.class, size);
    }

    /** A row of 16 bytes in local memory, whose address one thread gives to {@code ldmatrix}. */
    private record Row(int[] tile, int firstWord) {
        HalfFloat half(int i) {
            return new HalfFloat((short) (tile[firstWord + i / 2] >> (i % 2 * 16)));
        }
    }

    /** What a thread gives to {@code mma}. */
    private record Operands(HalfFloat[] a, HalfFloat[] b) {}

    /**
     * {@code ldmatrix.m8n8.x4.b16} of the PTX ISA: threads 8 i to 8 i + 7 give the addresses of the rows of the i-th 8 by 8
     * matrix; of each matrix thread t gets the elements 2 (t % 4) and 2 (t % 4) + 1 of row t / 4. The matrices are the tile's
     * quarters: above, below, right above, right below.
     */
    @Override
    public HalfFloat[] mmaLoadA(int[] tile, int k, int byteOffset) {
        int lane = index % WorkGroup.WARP;
        int row = lane / 8 % 2 * 8 + lane % 8;
        Object[] rows = exchange(row(tile, k, byteOffset + row * 32 + lane / 16 * 16));
        HalfFloat[] fragment = new HalfFloat[8];
        for (int i = 0; i < 8; i++) {
            fragment[i] = ((Row) rows[i / 2 * 8 + lane / 4]).half(lane % 4 * 2 + i % 2);
        }
        return fragment;
    }

    /** {@code ldmatrix.m8n8.x2.trans.b16}: as above, of the upper and the lower half of the tile, with columns for rows. */
    @Override
    public HalfFloat[] mmaLoadB(int[] tile, int k, int byteOffset) {
        int lane = index % WorkGroup.WARP;
        Object[] rows = exchange(row(tile, k, byteOffset + lane % 8 * 16 + lane / 8 % 2 * 128));
        HalfFloat[] fragment = new HalfFloat[4];
        for (int i = 0; i < 4; i++) {
            fragment[i] = ((Row) rows[i / 2 * 8 + lane % 4 * 2 + i % 2]).half(lane / 4);
        }
        return fragment;
    }

    private static Row row(int[] tile, int k, int byteOffset) {
        if (k != 16) {
            throw new IllegalStateException("tiles of halves are 16 deep, not " + k);
        }
        if (byteOffset % 16 != 0) {
            throw new IllegalStateException("a row of a tile starts at byte " + byteOffset + ", no multiple of 16");
        }
        return new Row(tile, byteOffset / 4);
    }

    /**
     * {@code mma.m16n8k16} of the PTX ISA with halves and sums in float. Thread t holds of A the elements (t / 4 + 8 (i / 2 % 2),
     * 2 (t % 4) + i % 2 + 8 (i / 4)), of B (2 (t % 4) + i % 2 + 8 (i / 2), t / 4), of C (t / 4 + 8 (i / 2), 2 (t % 4) + i % 2).
     */
    @Override
    public float[] mma(HalfFloat[] a, HalfFloat[] b, float[] c, MMAShape shape) {
        if (shape != MMAShape.M16N8K16) {
            throw new IllegalStateException("halves are multiplied in the shape M16N8K16, not " + shape);
        }
        Object[] operands = exchange(new Operands(a, b));
        int lane = index % WorkGroup.WARP;
        float[] sums = new float[4];
        for (int i = 0; i < 4; i++) {
            int column = lane % 4 * 2 + i % 2;
            double sum = c[i];
            for (int k = 0; k < 16; k++) {
                Operands ofA = (Operands) operands[lane / 4 * 4 + k % 8 / 2];
                Operands ofB = (Operands) operands[column * 4 + k % 8 / 2];
                sum += (double) ofA.a[k / 8 * 4 + i / 2 * 2 + k % 2].getFloat32()
                        * ofB.b[k / 8 * 2 + k % 2].getFloat32();
            }
            sums[i] = (float) sum;
        }
        return sums;
    }

    @Override
    public void mmaStore(float[] tile, FloatArray matrix, int row, int column, int stride) {
        int lane = index % WorkGroup.WARP;
        for (int i = 0; i < 4; i++) {
            matrix.set((row + lane / 4 + i / 2 * 8) * stride + column + lane % 4 * 2 + i % 2, tile[i]);
        }
    }

    private Object[] exchange(Object own) {
        group.exchange(index, own);
        return received;
    }

    /** What the threads of the warp gave to the exchange that this one waits for. */
    void receive(Object[] all) {
        received = all;
    }

    private void set(Field[] fields, int x, int y, int z) {
        try {
            fields[0].set(this, x);
            fields[1].set(this, y);
            fields[2].set(this, z);
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Field[] fields(String... names) {
        Field[] fields = new Field[names.length];
        for (int i = 0; i < names.length; i++) {
            try {
                fields[i] = KernelContext.class.getField(names[i]);
            } catch (NoSuchFieldException e) {
                throw new IllegalStateException(e);
            }
            fields[i].setAccessible(true);
        }
        return fields;
    }
}
