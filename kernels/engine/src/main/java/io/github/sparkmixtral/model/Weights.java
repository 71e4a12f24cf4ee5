package io.github.sparkmixtral.model;

import java.util.List;

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
