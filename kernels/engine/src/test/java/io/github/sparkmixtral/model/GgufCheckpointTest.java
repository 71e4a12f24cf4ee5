package io.github.sparkmixtral.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.gguf.GgufFile;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.testkit.GgufWriter;
import io.github.sparkmixtral.testkit.TinyMixtral;
import io.github.sparkmixtral.testkit.TinyMixtral.Values;
import io.github.sparkmixtral.tokenizer.Vocabulary;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GgufCheckpointTest {
    private final Map<String, Object> metadata = TinyMixtral.ggufMetadata();
    private final Map<String, Values> tensors = TinyMixtral.ggufTensors(true);

    @Test
    void readsMergedExperts() {
        Checkpoint checkpoint = read();
        CheckpointAssert.assertHolds(checkpoint.weights(), TinyMixtral.published());
        assertThat(checkpoint.container()).isEqualTo("gguf");
        assertThat(checkpoint.config())
                .isEqualTo(new ModelConfig(
                        32, 64, 2, 4, 2, 4, 3, 2, 20, 128, 5000, 1e-6f, 0, RopeLayout.NEIGHBOURS, 1, List.of(2)));
    }

    @Test
    void readsOneTensorPerExpert() {
        tensors.clear();
        tensors.putAll(TinyMixtral.ggufTensors(false));
        CheckpointAssert.assertHolds(read().weights(), TinyMixtral.published());
    }

    @Test
    void mergedExpertsAreViewsOfOneTensor() {
        List<Weights.Expert> experts = read().weights().layers().getFirst().experts();
        assertThat(experts.get(1).gate().name()).isEqualTo("blk.0.ffn_gate_exps.weight[1]");
        assertThat(experts.get(1).gate().data().heapBase())
                .isEqualTo(experts.get(0).gate().data().heapBase());
        assertThat(experts.get(1).gate().data().address()
                        - experts.get(0).gate().data().address())
                .isEqualTo(2L * TinyMixtral.INTERMEDIATE * TinyMixtral.HIDDEN);
    }

    @Test
    void takesTheHeadDimensionFromTheWidthThatRotatesWhereItIsNotStated() {
        metadata.remove("llama.attention.key_length");
        metadata.remove("llama.attention.value_length");

        assertThat(read().config().headDimension()).isEqualTo(TinyMixtral.HEAD_DIMENSION);
        assertThat(TinyMixtral.HEAD_DIMENSION).isNotEqualTo(TinyMixtral.HIDDEN / TinyMixtral.HEADS);
    }

    @Test
    void defaultsToWhatTheSpecificationDefaultsTo() {
        for (String optional : List.of(
                "llama.attention.key_length",
                "llama.attention.value_length",
                "llama.rope.freq_base",
                "llama.rope.dimension_count",
                "llama.vocab_size",
                "llama.attention.head_count_kv")) {
            metadata.remove(optional);
        }
        int width = TinyMixtral.HIDDEN;
        for (int layer = 0; layer < TinyMixtral.LAYERS; layer++) {
            for (String name : List.of("attn_q", "attn_k", "attn_v", "attn_output")) {
                TinyMixtral.put(tensors, "blk." + layer + "." + name + ".weight", width, width);
            }
        }
        ModelConfig config = read().config();
        assertThat(config.headDimension()).isEqualTo(8);
        assertThat(config.kvHeads()).isEqualTo(4);
        assertThat(config.ropeTheta()).isEqualTo(10000);
        assertThat(config.vocabularySize()).isEqualTo(20);
    }

    @Test
    void aMissingHeadIsTheEmbedding() {
        tensors.remove("output.weight");
        Weights weights = read().weights();
        assertThat(weights.head()).isSameAs(weights.embedding());
    }

    @Test
    void takesTheEndOfTurnAsAnEndToo() {
        metadata.put("tokenizer.ggml.eos_token_id", 5);
        metadata.put("tokenizer.ggml.eot_token_id", 7);
        assertThat(read().config().eosTokenIds()).containsExactly(5, 7);
        metadata.put("tokenizer.ggml.eot_token_id", 5);
        assertThat(read().config().eosTokenIds()).containsExactly(5);
    }

    @Test
    void takesASlidingWindow() {
        metadata.put("llama.attention.sliding_window", 64);
        assertThat(read().config().slidingWindow()).isEqualTo(64);
    }

    @Test
    void acceptsScalingThatDoesNotScale() {
        metadata.put("llama.rope.scaling.type", "linear");
        metadata.put("llama.rope.scaling.factor", 1f);
        metadata.put("llama.expert_gating_func", 1);
        CheckpointAssert.assertHolds(read().weights(), TinyMixtral.published());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "general.architecture",
                "llama.context_length",
                "llama.embedding_length",
                "llama.block_count",
                "llama.feed_forward_length",
                "llama.attention.head_count",
                "llama.attention.layer_norm_rms_epsilon",
                "llama.expert_used_count"
            })
    void namesMissingMetadata(String key) {
        metadata.remove(key);
        assertRefused("dir/x.gguf has no metadata " + key + ", which the model needs; convert the model again");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "general.architecture|qwen2moe|dir/x.gguf holds a model of the architecture qwen2moe, and not a Mixtral, which is llama with experts",
                "llama.rope.scaling.type|yarn|dir/x.gguf: the metadata llama.rope.scaling asks for the scaling yarn",
            })
    void saysWhatAnotherModelIs(String key, String value, String message) {
        metadata.put(key, value);
        assertRefused(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "llama.expert_count|0|dir/x.gguf holds a dense llama model, and not a Mixtral: metadata llama.expert_count is 0 or missing",
                "llama.expert_used_count|4|dir/x.gguf: the number of experts per token is 4, but must be at most 3",
                "llama.expert_gating_func|2|metadata llama.expert_gating_func is 2; only softmax (1) is supported",
                "llama.attention.value_length|8|metadata llama.attention.value_length is 8, but must equal the head dimension 4",
                "llama.rope.dimension_count|2|metadata llama.rope.dimension_count is 2, but must equal the head dimension 4",
                "llama.vocab_size|21|tensor token_embd.weight has the shape [20, 32], but metadata llama.vocab_size is 21",
                "llama.attention.head_count|0|the number of heads is 0, but must be positive",
                "llama.attention.head_count_kv|3|the number of heads is 4, but must be a multiple of the 3 key/value heads",
                "llama.embedding_length|64|tensor token_embd.weight has the shape [20, 32], but the model's dimensions ask for [20, 64]",
                "llama.embedding_length|-1|metadata llama.embedding_length is 4294967295, but must be a whole number below 2^31",
                "llama.block_count|3|has no tensor blk.2.ffn_gate_exps.weight, which the model needs",
                "llama.expert_count|2|tensor blk.0.ffn_gate_exps.weight has the shape [3, 64, 32], but the model's dimensions ask for [2, 64, 32]",
                "llama.feed_forward_length|32|tensor blk.0.ffn_gate_exps.weight has the shape [3, 64, 32], but",
                "tokenizer.ggml.eos_token_id|20|the EOS token is 20, but must be in [0, 20)",
                "tokenizer.ggml.bos_token_id|99|the BOS token is 99, but must be below 20",
            })
    void refusesMetadataThatDoesNotFit(String key, int value, String message) {
        metadata.put(key, value);
        assertRefused(message);
    }

    @Test
    void refusesScaledRotaryEmbeddings() {
        metadata.put("llama.rope.scaling.factor", 4f);
        assertRefused("dir/x.gguf: the metadata llama.rope.scaling asks for the scaling none by 4.0");
        metadata.remove("llama.rope.scaling.factor");
        metadata.put("llama.rope.scale_linear", 2f);
        assertRefused("asks for the scaling none by 2.0, which is not supported");
    }

    @Test
    void refusesADenseModelWithoutTheKey() {
        metadata.remove("llama.expert_count");
        assertRefused("dir/x.gguf holds a dense llama model, and not a Mixtral");
    }

    @ParameterizedTest
    @ValueSource(strings = {"rope_freqs.weight", "blk.0.attn_q.bias", "blk.2.attn_norm.weight"})
    void refusesTensorsThatWouldChangeResults(String name) {
        TinyMixtral.put(tensors, name, 32);
        assertRefused("dir/x.gguf has 1 tensors that a Mixtral of its metadata does not have, such as " + name
                + "; it cannot be run without them");
    }

    @Test
    void namesEveryMissingTensor() {
        for (String name : TinyMixtral.ggufTensors(true).keySet()) {
            if (name.equals("output.weight")) {
                continue;
            }
            Values removed = tensors.remove(name);
            assertRefused("dir/x.gguf has no tensor " + name + ", which the model needs");
            tensors.put(name, removed);
        }
    }

    @Test
    void namesATypeThatIsNotSupported() {
        GgufWriter builder = new GgufWriter();
        metadata.forEach(builder::with);
        tensors.forEach((name, values) -> builder.tensor(
                name, name.equals("blk.1.attn_v.weight") ? 16 : 0, values.f32(), values.shapeInnermostFirst()));
        assertThatThrownBy(() -> GgufCheckpoint.read(file(builder.build())))
                .isInstanceOf(ModelException.class)
                .hasMessageStartingWith(
                        "dir/x.gguf: tensor blk.1.attn_v.weight has the type IQ2_XXS (16), which is not supported; supported are F32, F16,");
    }

    @Test
    void readsTheTokenizer() {
        metadata.putAll(TinyMixtral.ggufTokenizer());
        metadata.put("tokenizer.ggml.add_space_prefix", false);
        metadata.put("tokenizer.ggml.unknown_token_id", 0);
        Vocabulary vocabulary = GgufCheckpoint.vocabulary(file());
        assertThat(vocabulary.pieces()).hasSize(20).startsWith("<unk>", "<s>", "</s>", "▁d");
        assertThat(vocabulary.scores()[3]).isEqualTo(-3);
        assertThat(vocabulary.types()).startsWith(2, 3, 3, 1);
        assertThat(vocabulary.addSpacePrefix()).isFalse();
        metadata.remove("tokenizer.ggml.add_space_prefix");
        assertThat(GgufCheckpoint.vocabulary(file()).addSpacePrefix()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "tokenizer.ggml.model",
                "tokenizer.ggml.tokens",
                "tokenizer.ggml.scores",
                "tokenizer.ggml.token_type"
            })
    void namesAMissingPartOfTheTokenizer(String key) {
        metadata.putAll(TinyMixtral.ggufTokenizer());
        metadata.remove(key);
        assertThatThrownBy(() -> GgufCheckpoint.vocabulary(file()))
                .isInstanceOf(ModelException.class)
                .hasMessage("dir/x.gguf has no metadata " + key + ", which the model needs; convert the model again");
    }

    @Test
    void refusesAnotherTokenizer() {
        metadata.put("tokenizer.ggml.model", "gpt2");
        assertThatThrownBy(() -> GgufCheckpoint.vocabulary(file()))
                .isInstanceOf(ModelException.class)
                .hasMessage(
                        "dir/x.gguf: metadata tokenizer.ggml.model is gpt2; only llama, which is SentencePiece BPE, is supported");
    }

    private void assertRefused(String message) {
        assertThatThrownBy(this::read)
                .isInstanceOf(ModelException.class)
                .hasMessageStartingWith("dir/x.gguf")
                .hasMessageContaining(message);
    }

    private Checkpoint read() {
        return GgufCheckpoint.read(file());
    }

    private GgufFile file() {
        return file(TinyMixtral.gguf(metadata, tensors));
    }

    private static GgufFile file(byte[] content) {
        return GgufFile.read("dir", "x.gguf", TinyMixtral.opener(Map.of("x.gguf", content)));
    }
}
