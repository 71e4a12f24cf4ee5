package io.github.sparkmixtral.model;

import io.github.sparkmixtral.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;

/**
 * The weights of a Mixtral. Every matrix is stored {@code [outputs, inputs]}, so that {@code y = W x}.
 *
 * @param embedding {@code [vocabulary, hidden]}
 * @param layers one per decoder layer, in order
 * @param outputNorm {@code [1, hidden]}
 * @param head {@code [vocabulary, hidden]}
 */
public record Weights(Tensor embedding, List<Layer> layers, Tensor outputNorm, Tensor head) {

    public Weights {
        layers = List.copyOf(layers);
    }

    /** Bytes in memory that no file holds, such as those of what was quantized on load. */
    public long bytesOffHeap() {
        Set<MemorySegment> held = new HashSet<>();
        map(tensor -> {
            if (!tensor.data().isMapped()) {
                held.add(tensor.data());
            }
            return tensor;
        });
        return held.stream().mapToLong(MemorySegment::byteSize).sum();
    }

    /** These weights with every tensor replaced. A tied head and embedding stay one tensor where the replacement is one. */
    Weights map(UnaryOperator<Tensor> replacement) {
        return new Weights(
                replacement.apply(embedding),
                layers.stream().map(layer -> layer.map(replacement)).toList(),
                replacement.apply(outputNorm),
                replacement.apply(head));
    }

    /**
     * One decoder layer.
     *
     * @param attentionNorm {@code [1, hidden]}
     * @param query {@code [heads * headDimension, hidden]}
     * @param key {@code [kvHeads * headDimension, hidden]}
     * @param value {@code [kvHeads * headDimension, hidden]}
     * @param output {@code [hidden, heads * headDimension]}
     * @param expertNorm {@code [1, hidden]}
     * @param router {@code [experts, hidden]}
     * @param experts one per expert, in order
     */
    public record Layer(
            Tensor attentionNorm,
            Tensor query,
            Tensor key,
            Tensor value,
            Tensor output,
            Tensor expertNorm,
            Tensor router,
            List<Expert> experts) {

        public Layer {
            experts = List.copyOf(experts);
        }

        private Layer map(UnaryOperator<Tensor> replacement) {
            return new Layer(
                    replacement.apply(attentionNorm),
                    replacement.apply(query),
                    replacement.apply(key),
                    replacement.apply(value),
                    replacement.apply(output),
                    replacement.apply(expertNorm),
                    replacement.apply(router),
                    experts.stream()
                            .map(expert -> new Expert(
                                    replacement.apply(expert.gate),
                                    replacement.apply(expert.up),
                                    replacement.apply(expert.down)))
                            .toList());
        }
    }

    /**
     * One expert: {@code down(silu(gate x) * (up x))}.
     *
     * @param gate {@code [intermediate, hidden]}; {@code w1} in Hugging Face checkpoints
     * @param up {@code [intermediate, hidden]}; {@code w3} in Hugging Face checkpoints
     * @param down {@code [hidden, intermediate]}; {@code w2} in Hugging Face checkpoints
     */
    public record Expert(Tensor gate, Tensor up, Tensor down) {}
}
