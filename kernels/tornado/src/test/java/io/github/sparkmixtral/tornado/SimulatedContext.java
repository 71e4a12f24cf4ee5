package io.github.sparkmixtral.tornado;

import java.lang.reflect.Field;
import uk.ac.manchester.tornado.api.KernelContext;

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
