package io.github.sparkmixtral.model;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.testkit.TinyMixtral;
import java.util.Map;

/** That every tensor of a {@link TinyMixtral} ended up where it belongs, with the values it was written with. */
final class CheckpointAssert {
    private CheckpointAssert() {}

    static void assertHolds(Weights weights, Map<String, TinyMixtral.Values> published) {
        assertHolds(weights.embedding(), published, "model.embed_tokens.weight");
        assertHolds(weights.outputNorm(), published, "model.norm.weight");
        assertHolds(weights.head(), published, "lm_head.weight");
        assertThat(weights.layers()).hasSize(TinyMixtral.LAYERS);
        for (int i = 0; i < TinyMixtral.LAYERS; i++) {
            Weights.Layer layer = weights.layers().get(i);
            String prefix = "model.layers." + i + ".";
            assertHolds(layer.attentionNorm(), published, prefix + "input_layernorm.weight");
            assertHolds(layer.query(), published, prefix + "self_attn.q_proj.weight");
            assertHolds(layer.key(), published, prefix + "self_attn.k_proj.weight");
            assertHolds(layer.value(), published, prefix + "self_attn.v_proj.weight");
            assertHolds(layer.output(), published, prefix + "self_attn.o_proj.weight");
            assertHolds(layer.expertNorm(), published, prefix + "post_attention_layernorm.weight");
            assertHolds(layer.router(), published, prefix + "block_sparse_moe.gate.weight");
            assertThat(layer.experts()).hasSize(TinyMixtral.EXPERTS);
            for (int e = 0; e < TinyMixtral.EXPERTS; e++) {
                String expert = prefix + "block_sparse_moe.experts." + e;
                assertHolds(layer.experts().get(e).gate(), published, expert + ".w1.weight");
                assertHolds(layer.experts().get(e).down(), published, expert + ".w2.weight");
                assertHolds(layer.experts().get(e).up(), published, expert + ".w3.weight");
            }
        }
    }

    static void assertHolds(Tensor tensor, Map<String, TinyMixtral.Values> published, String name) {
        TinyMixtral.Values expected = published.get(name);
        int[] shape = expected.shape();
        assertThat(tensor.rows()).as(name).isEqualTo(shape.length == 1 ? 1 : shape[0]);
        assertThat(tensor.columns()).as(name).isEqualTo(shape[shape.length - 1]);
        assertThat(values(tensor)).as(name).isEqualTo(expected.values());
    }

    static float[] values(Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.elements())];
        tensor.type().decode(tensor.data(), 0, values, 0, values.length);
        return values;
    }
}
