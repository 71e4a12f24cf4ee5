package io.github.sparkmixtral.model;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.RowReader;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Quantizes a model's matrices as they are read. Norms and routers, which are small and sensitive, stay as they are; so do
 * matrices whose rows are no multiple of a block, and the embedding, of which a step takes single rows from the file.
 */
final class Quantizer {
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
        plan.put(weights.embedding(), weights.embedding().type());
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
     * The weights with what {@link #plan} says in place of its sources. Rows are quantized whenever they are read: a backend reads each once,
     * with all of its threads, and nothing is held twice.
     *
     * @param progress gets a line if some matrices stay as they are
     */
    Weights quantize(String model, Weights weights, Consumer<String> progress) {
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
        Weights quantized = weights.map(tensor -> quantized(tensor, plan.get(tensor)));
        return new Weights(weights.embedding(), quantized.layers(), quantized.outputNorm(), quantized.head());
    }

    private static Tensor quantized(Tensor from, TensorType type) {
        if (type == from.type()) {
            return from;
        }
        return new Tensor(from.name(), type, from.rows(), from.columns(), (first, count, out) -> {
            RowReader reader = new RowReader(from);
            float[] row = new float[from.columns()];
            for (int r = 0; r < count; r++) {
                from.type().decode(reader.row(first + r), 0, row, 0, row.length);
                type.encode(row, out, r * type.bytes(row.length));
            }
        });
    }
}
