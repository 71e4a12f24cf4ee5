package io.github.sparkmixtral.model;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.memory.AvailableMemory;
import io.github.sparkmixtral.memory.MemoryLimit;
import io.github.sparkmixtral.tensor.RowReader;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;

/**
 * Quantizes a model's matrices while it is loaded. Norms and routers, which are small and sensitive, stay as they are; so do
 * matrices whose rows are no multiple of a block.
 */
final class Quantizer {
    /** Source bytes that one task converts: enough to pay for its scheduling, little enough to spread evenly. */
    private static final long TASK_BYTES = 4L << 20;

    private final Quantization quantization;

    Quantizer(Quantization quantization) {
        this.quantization = quantization;
    }

    /**
     * What becomes of each tensor, each named once (a tied head is the embedding).
     *
     * @param model for error messages
     * @throws ModelException where the matrices are quantized already
     */
    Map<Tensor, TensorType> plan(String model, Weights weights) {
        Map<Tensor, TensorType> plan = new LinkedHashMap<>();
        plan.put(weights.embedding(), matrixType(model, weights.embedding()));
        for (Weights.Layer layer : weights.layers()) {
            for (Tensor kept : List.of(layer.attentionNorm(), layer.expertNorm(), layer.router())) {
                plan.put(kept, kept.type());
            }
            for (Tensor matrix : List.of(layer.query(), layer.key(), layer.value(), layer.output())) {
                plan.put(matrix, matrixType(model, matrix));
            }
            for (Weights.Expert expert : layer.experts()) {
                for (Tensor matrix : List.of(expert.gate(), expert.up(), expert.down())) {
                    plan.put(matrix, matrixType(model, matrix));
                }
            }
        }
        plan.put(weights.outputNorm(), weights.outputNorm().type());
        // Last, so that it decides for a tied embedding too.
        TensorType head = matrixType(model, weights.head());
        plan.put(weights.head(), head.isQuantized() && quantization != Quantization.NONE ? TensorType.Q8_0 : head);
        return plan;
    }

    private TensorType matrixType(String model, Tensor matrix) {
        if (quantization.type().isEmpty()) {
            return matrix.type();
        }
        if (matrix.type().blockSize() > 1) {
            throw new ModelException("%s is quantized already (tensor %s is %s): leave out --quantization"
                    .formatted(model, matrix.name(), matrix.type()));
        }
        TensorType type = quantization.type().get();
        return matrix.columns() % type.blockSize() == 0 ? type : matrix.type();
    }

    /**
     * Converts what {@link #plan} says, on as many threads as there are CPUs.
     *
     * @param limit of what may lie off the heap
     * @param arena owns the quantized weights
     * @param progress called by the calling thread, at each tenth of the work
     */
    Weights quantize(String model, Weights weights, MemoryLimit limit, Arena arena, Consumer<String> progress) {
        if (quantization.type().isEmpty()) {
            return weights;
        }
        Map<Tensor, TensorType> plan = plan(model, weights);
        List<Tensor> odd = plan.keySet().stream()
                .filter(tensor -> tensor.rows() > 1 && tensor.columns() % 32 != 0)
                .toList();
        if (!odd.isEmpty()) {
            progress.accept("%d matrices stay as they are, their rows being no multiple of 32 weights, such as %s %s"
                    .formatted(odd.size(), odd.getFirst().name(), odd.getFirst().type()));
        }
        Map<Tensor, Tensor> quantized = allocate(model, plan, limit, arena);
        convert(quantized, progress);
        return weights.map(tensor -> quantized.getOrDefault(tensor, tensor));
    }

    private Map<Tensor, Tensor> allocate(String model, Map<Tensor, TensorType> plan, MemoryLimit limit, Arena arena) {
        Map<Tensor, TensorType> converted = new LinkedHashMap<>(plan);
        converted
                .entrySet()
                .removeIf(entry -> entry.getValue() == entry.getKey().type());
        long bytes = converted.entrySet().stream()
                .mapToLong(entry -> entry.getValue().bytes(entry.getKey().elements()))
                .sum();
        // An operating system that promises more memory than it has kills the process later, without a word.
        long free = new AvailableMemory().bytes();
        checkFits(model, bytes, free);
        limit.leftBeside(bytes);
        Map<Tensor, Tensor> quantized = new LinkedHashMap<>();
        try {
            converted.forEach((tensor, type) -> {
                MemorySegment data = arena.allocate(type.bytes(tensor.elements()), 64);
                quantized.put(tensor, new Tensor(tensor.name(), type, tensor.rows(), tensor.columns(), data));
            });
        } catch (OutOfMemoryError e) {
            throw tooLarge(model, bytes, free, e);
        }
        return quantized;
    }

    void checkFits(String model, long bytes, long memory) {
        if (bytes > memory) {
            throw tooLarge(model, bytes, memory, null);
        }
    }

    private ModelException tooLarge(String model, long bytes, long memory, Throwable cause) {
        return new ModelException(
                "%s takes %d MiB of memory as %s, but only %d MiB are free; take a machine or a container with more, or a model that is quantized already"
                        .formatted(model, bytes >> 20, quantization, memory >> 20),
                cause);
    }

    private void convert(Map<Tensor, Tensor> quantized, Consumer<String> progress) {
        ExecutorService pool = Executors.newFixedThreadPool(Runtime.getRuntime().availableProcessors(), task -> {
            Thread thread = new Thread(task, "quantizer");
            thread.setDaemon(true);
            return thread;
        });
        try (pool) {
            await(submit(quantized, pool), progress);
        }
    }

    private static List<Future<?>> submit(Map<Tensor, Tensor> quantized, ExecutorService pool) {
        List<Future<?>> tasks = new ArrayList<>();
        quantized.forEach((from, to) -> {
            int rows = (int) Math.clamp(TASK_BYTES / from.rowBytes(), 1, from.rows());
            int count;
            for (int row = 0; row < from.rows(); row += count) {
                int first = row;
                int last = first + Math.min(rows, from.rows() - first);
                count = last - first;
                tasks.add(pool.submit(() -> convert(from, to, first, last)));
            }
        });
        return tasks;
    }

    private void await(List<Future<?>> tasks, Consumer<String> progress) {
        int done = 0;
        try {
            for (; done < tasks.size(); done++) {
                // get() does not look at the flag where the task is done already.
                if (Thread.interrupted()) {
                    throw new InterruptedException();
                }
                tasks.get(done).get();
                long tenth = (done + 1) * 10L / tasks.size();
                if (tenth > done * 10L / tasks.size()) {
                    progress.accept("quantizing to %s: %d %%".formatted(quantization, tenth * 10));
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ModelException("loading was interrupted", e);
        } catch (ExecutionException e) {
            throw new ModelException("quantizing failed: " + e.getCause(), e);
        } finally {
            tasks.subList(done, tasks.size()).forEach(task -> task.cancel(false));
        }
    }

    private static void convert(Tensor from, Tensor to, int firstRow, int endRow) {
        RowReader reader = new RowReader(from);
        float[] row = new float[from.columns()];
        for (int r = firstRow; r < endRow; r++) {
            from.type().decode(reader.row(r), 0, row, 0, row.length);
            to.type().encode(row, to.data(), r * to.rowBytes());
        }
    }
}
