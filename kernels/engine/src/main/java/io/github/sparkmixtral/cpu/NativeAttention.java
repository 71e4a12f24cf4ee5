package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.cpu.Attention.Part;
import io.github.sparkmixtral.cpu.jit.AttentionKernels;
import io.github.sparkmixtral.cpu.jit.RowKernels;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The products of attention in machine code. */
final class NativeAttention implements Attention.Products {

    private static final int BLOCK = KeyValueCache.BLOCK;
    private static final int SPAN = Workspace.SPAN;

    /** By the size of heads. */
    private static final Map<Integer, AttentionKernels> KERNELS = new ConcurrentHashMap<>();

    private static AttentionKernels kernels(KeyValueCache cache) {
        int size = cache.headDimension();
        return KERNELS.computeIfAbsent(
                size, _ -> new AttentionKernels(size, cache.valueStride(), SPAN, (float) (1 / Math.sqrt(size))));
    }

    @Override
    public void scores(Part part, Workspace workspace) {
        int blocks = 0;
        for (int at = part.firstBlock(); at < part.to(); at += BLOCK) {
            int block = part.block(at);
            long keys = part.cache().keys(part.layer(), block, part.kvHead());
            workspace.blocks.setAtIndex(
                    ValueLayout.JAVA_LONG, blocks++, part.cache().slab(block).address() + keys);
        }
        AttentionKernels kernels = kernels(part.cache());
        MemorySegment queries = MemorySegment.ofArray(part.queries().data());
        for (int head = 0; head < part.heads(); head += AttentionKernels.HEADS) {
            int heads = Math.min(AttentionKernels.HEADS, part.heads() - head);
            long query = part.query() + (long) head * part.cache().headDimension();
            long score = head * SPAN + part.firstBlock();
            kernels.scores(
                    queries,
                    query * Float.BYTES,
                    heads,
                    workspace.blocks,
                    blocks,
                    workspace.scoresSegment,
                    score * Float.BYTES);
        }
    }

    @Override
    public float exponentials(int from, int to, float before, Workspace workspace) {
        RowKernels.exponentials(scores(from, workspace), workspace.lanesSegment, before, vectors(from, to));
        return workspace.lanes[0];
    }

    @Override
    public float sum(int from, int to, Workspace workspace) {
        RowKernels.sums(workspace.lanesSegment, scores(from, workspace), vectors(from, to));
        return VectorMath.sum(workspace.lanes, 0);
    }

    private static MemorySegment scores(int from, Workspace workspace) {
        return workspace.scoresSegment.asSlice((long) from * Float.BYTES);
    }

    private static int vectors(int from, int to) {
        return (to - from) / RowKernels.LANES;
    }

    @Override
    public void values(Part part, Workspace workspace) {
        int stride = part.cache().valueStride();
        int blocks = 0;
        for (int at = part.firstBlock(); at < part.to(); at += BLOCK) {
            int block = part.block(at);
            int from = Math.max(part.from() - at, 0);
            long values = part.cache().values(part.layer(), block, part.kvHead()) + (long) from * stride * Float.BYTES;
            workspace.blocks.setAtIndex(
                    ValueLayout.JAVA_LONG, 2L * blocks, part.cache().slab(block).address() + values);
            workspace.blocks.setAtIndex(ValueLayout.JAVA_LONG, 2L * blocks + 1, Math.min(part.to() - at, BLOCK) - from);
            blocks++;
        }
        AttentionKernels kernels = kernels(part.cache());
        for (int head = 0; head < part.heads(); head += AttentionKernels.HEADS) {
            int heads = Math.min(AttentionKernels.HEADS, part.heads() - head);
            long sum = (long) (part.state() + head) * stride;
            long weight = head * SPAN + part.from();
            kernels.values(
                    workspace.valuesSegment,
                    sum * Float.BYTES,
                    heads,
                    workspace.scoresSegment,
                    weight * Float.BYTES,
                    workspace.blocks,
                    blocks);
        }
    }
}
