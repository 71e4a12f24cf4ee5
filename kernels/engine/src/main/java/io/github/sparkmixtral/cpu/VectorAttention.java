package io.github.sparkmixtral.cpu;

import static io.github.sparkmixtral.cpu.VectorMath.FLOATS;

import io.github.sparkmixtral.cpu.Attention.Part;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;

/** The products of attention on the JDK's Vector API. */
final class VectorAttention implements Attention.Products {

    private static final int STEP = FLOATS.length();
    private static final int BLOCK = KeyValueCache.BLOCK;
    private static final int SPAN = Workspace.SPAN;
    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;

    @Override
    public void scores(Part part, Workspace workspace) {
        int size = part.cache().headDimension();
        float scale = (float) (1 / Math.sqrt(size));
        for (int at = part.firstBlock(); at < part.to(); at += BLOCK) {
            int block = part.block(at);
            MemorySegment slab = part.cache().slab(block);
            long keys = part.cache().keys(part.layer(), block, part.kvHead());
            for (int head = 0; head < part.heads(); head += 4) {
                scores(part.queries().data(), part.query(), size, scale, head, part.heads(), slab, keys, at, workspace);
            }
        }
    }

    @Override
    public float exponentials(int from, int to, float before, Workspace workspace) {
        float maximum = Math.max(before, VectorMath.maximum(workspace.scores, from, to));
        VectorMath.exp(workspace.scores, from, to, maximum);
        return maximum;
    }

    @Override
    public float sum(int from, int to, Workspace workspace) {
        return VectorMath.sum(workspace.scores, from, to, workspace.lanes);
    }

    @Override
    public void values(Part part, Workspace workspace) {
        int stride = part.cache().valueStride();
        for (int at = part.firstBlock(); at < part.to(); at += BLOCK) {
            int block = part.block(at);
            MemorySegment slab = part.cache().slab(block);
            long values = part.cache().values(part.layer(), block, part.kvHead());
            int from = Math.max(part.from() - at, 0);
            int to = Math.min(part.to() - at, BLOCK);
            for (int head = 0; head < part.heads(); head += 4) {
                addValues(head, part.heads(), at, from, to, stride, slab, values, part.state(), workspace);
            }
        }
    }

    /** Scores of a block's tokens for up to four heads of the group, at {@code at} of each one's {@code SPAN}. */
    private static void scores(
            float[] query,
            int firstQuery,
            int size,
            float scale,
            int head,
            int group,
            MemorySegment slab,
            long keys,
            int at,
            Workspace workspace) {
        float[] scores = workspace.scores;
        int last = group - 1;
        int h1 = Math.min(head + 1, last);
        int h2 = Math.min(head + 2, last);
        int h3 = Math.min(head + 3, last);
        for (int part = 0; part < BLOCK; part += STEP) {
            FloatVector s0 = FloatVector.zero(FLOATS);
            FloatVector s1 = FloatVector.zero(FLOATS);
            FloatVector s2 = FloatVector.zero(FLOATS);
            FloatVector s3 = FloatVector.zero(FLOATS);
            for (int d = 0; d < size; d++) {
                FloatVector key = FloatVector.fromMemorySegment(
                        FLOATS, slab, keys + ((long) d * BLOCK + part) * Float.BYTES, ORDER);
                s0 = key.fma(FloatVector.broadcast(FLOATS, query[firstQuery + head * size + d]), s0);
                s1 = key.fma(FloatVector.broadcast(FLOATS, query[firstQuery + h1 * size + d]), s1);
                s2 = key.fma(FloatVector.broadcast(FLOATS, query[firstQuery + h2 * size + d]), s2);
                s3 = key.fma(FloatVector.broadcast(FLOATS, query[firstQuery + h3 * size + d]), s3);
            }
            s0.mul(scale).intoArray(scores, head * SPAN + at + part);
            s1.mul(scale).intoArray(scores, h1 * SPAN + at + part);
            s2.mul(scale).intoArray(scores, h2 * SPAN + at + part);
            s3.mul(scale).intoArray(scores, h3 * SPAN + at + part);
        }
    }

    /** Adds the values of a block's tokens {@code [from, to)}, weighted, for up to four heads of the group. */
    private static void addValues(
            int head,
            int group,
            int at,
            int from,
            int to,
            int stride,
            MemorySegment slab,
            long values,
            int state,
            Workspace workspace) {
        float[] weights = workspace.scores;
        float[] sums = workspace.values;
        int last = group - 1;
        int h1 = Math.min(head + 1, last);
        int h2 = Math.min(head + 2, last);
        int h3 = Math.min(head + 3, last);
        for (int d = 0; d < stride; d += STEP) {
            FloatVector s0 = FloatVector.fromArray(FLOATS, sums, (state + head) * stride + d);
            FloatVector s1 = FloatVector.fromArray(FLOATS, sums, (state + h1) * stride + d);
            FloatVector s2 = FloatVector.fromArray(FLOATS, sums, (state + h2) * stride + d);
            FloatVector s3 = FloatVector.fromArray(FLOATS, sums, (state + h3) * stride + d);
            for (int token = from; token < to; token++) {
                FloatVector value = FloatVector.fromMemorySegment(
                        FLOATS, slab, values + ((long) token * stride + d) * Float.BYTES, ORDER);
                s0 = value.fma(FloatVector.broadcast(FLOATS, weights[head * SPAN + at + token]), s0);
                s1 = value.fma(FloatVector.broadcast(FLOATS, weights[h1 * SPAN + at + token]), s1);
                s2 = value.fma(FloatVector.broadcast(FLOATS, weights[h2 * SPAN + at + token]), s2);
                s3 = value.fma(FloatVector.broadcast(FLOATS, weights[h3 * SPAN + at + token]), s3);
            }
            s0.intoArray(sums, (state + head) * stride + d);
            s1.intoArray(sums, (state + h1) * stride + d);
            s2.intoArray(sums, (state + h2) * stride + d);
            s3.intoArray(sums, (state + h3) * stride + d);
        }
    }
}
