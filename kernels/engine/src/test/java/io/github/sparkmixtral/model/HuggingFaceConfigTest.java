package io.github.sparkmixtral.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.testkit.TinyMixtral;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HuggingFaceConfigTest {

    @Test
    void takesEveryDimension() {
        assertThat(read(TinyMixtral.config().toString()))
                .isEqualTo(new ModelConfig(
                        32, 64, 2, 4, 2, 4, 3, 2, 20, 128, 5000, 1e-6, 0, RopeLayout.HALVES, 1, List.of(2)));
    }

    @Test
    void defaultsToWhatTransformersDefaultsTo() {
        assertThat(read("{\"model_type\":\"mixtral\"}"))
                .isEqualTo(new ModelConfig(
                        4096,
                        14336,
                        32,
                        32,
                        8,
                        128,
                        8,
                        2,
                        32000,
                        131072,
                        1e6,
                        1e-5,
                        0,
                        RopeLayout.HALVES,
                        1,
                        List.of(2)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'head_dim':null|8",
                "'head_dim':6|6",
                "'x':0|8",
            })
    void takesTheHeadDimensionOrSharesTheHiddenSize(String field, int expected) {
        assertThat(with("'hidden_size':32,'num_attention_heads':4,'num_key_value_heads':2," + field)
                        .headDimension())
                .isEqualTo(expected);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'sliding_window':null|0",
                "'sliding_window':4096|4096",
                "'x':0|0",
            })
    void takesTheSlidingWindow(String field, int expected) {
        assertThat(with(field).slidingWindow()).isEqualTo(expected);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'rope_theta':10000|10000",
                "'rope_theta':1e4,'rope_scaling':null|10000",
                "'rope_parameters':{'rope_theta':12345.0,'rope_type':'default'}|12345",
                "'rope_parameters':{'rope_theta':12345.0},'rope_theta':1|12345",
                "'rope_parameters':null,'rope_theta':7|7",
                "'rope_parameters':{'rope_type':'default'},'rope_theta':7|7",
                "'rope_scaling':{'type':'default'},'rope_theta':7|7",
                "'x':0|1000000",
            })
    void takesThetaFromEitherGeneration(String field, double expected) {
        assertThat(with(field).ropeTheta()).isEqualTo(expected);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'eos_token_id':7|{}|7",
                "'eos_token_id':[7,8]|{}|7,8",
                "'eos_token_id':null|{}|2",
                "'eos_token_id':7|{'eos_token_id':9}|9,7",
                "'eos_token_id':7|{'eos_token_id':[9,10,7]}|9,10,7",
                "'eos_token_id':7|{'eos_token_id':null}|7",
            })
    void takesTheEndTokensOfBothFiles(String field, String generation, String expected) {
        assertThat(read("{'model_type':'mixtral'," + field + "}", Optional.of(generation))
                        .eosTokenIds())
                .isEqualTo(List.of(expected.split(",")).stream()
                        .map(Integer::valueOf)
                        .toList());
    }

    @Test
    void takesEitherNameOfTheArchitecture() {
        assertThat(read("{'architectures':['MixtralForCausalLM']}").experts()).isEqualTo(8);
        assertThat(read("{'model_type':'mixtral','architectures':[]}").experts())
                .isEqualTo(8);
    }

    @Test
    void takesTheExpertsUnderTheirOtherName() {
        assertThat(with("'num_experts':4").experts()).isEqualTo(4);
        assertThat(with("'num_experts':4,'num_local_experts':6").experts()).isEqualTo(6);
    }

    @Test
    void takesNullKeyValueHeadsForAllHeads() {
        assertThat(with("'num_key_value_heads':null").kvHeads()).isEqualTo(32);
    }

    @Test
    void takesWholeNumbersWrittenAsDecimals() {
        assertThat(with("'max_position_embeddings':4096.0").maxPositions()).isEqualTo(4096);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'model_type':'llama','architectures':['LlamaForCausalLM']}|dir/config.json describes a model of type \"llama\" with the architectures [\"LlamaForCausalLM\"], and not a MixtralForCausalLM",
                "{'model_type':'mistral'}|describes a model of type \"mistral\"",
                "{'model_type':'mixtral','architectures':['MixtralForSequenceClassification']}|with the architectures [\"MixtralForSequenceClassification\"], and not a MixtralForCausalLM",
                "{}|describes a model of type null with the architectures null, and not a MixtralForCausalLM",
            })
    void saysWhatAnotherModelIs(String json, String message) {
        assertRefused(json, message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'hidden_act':'gelu'|hidden_act is \"gelu\"; only silu is supported",
                "'rope_scaling':{'type':'yarn','factor':4}|rope_scaling asks for the scaling \"yarn\", which is not supported",
                "'rope_scaling':'linear'|rope_scaling asks for the scaling \"linear\"",
                "'rope_parameters':{'rope_type':'linear','factor':2}|rope_parameters asks for the scaling \"linear\"",
                "'rope_parameters':{'rope_type':'default','partial_rotary_factor':0.5}|rope_parameters.partial_rotary_factor is 0.5; only 1 is supported",
                "'hidden_size':'4096'|hidden_size is \"4096\", but must be a whole number below 2^31",
                "'hidden_size':4096.5|hidden_size is 4096.5, but must be a whole number",
                "'hidden_size':4294967296|hidden_size is 4294967296, but must be a whole number below 2^31",
                "'hidden_size':1e300|hidden_size is 1.0E300, but must be a whole number",
                "'hidden_size':NaN|hidden_size is \"NaN\", but must be a whole number",
                "'hidden_size':0|the hidden size is 0, but must be positive",
                "'num_hidden_layers':-1|the number of layers is -1, but must be positive",
                "'num_attention_heads':0|the number of heads is 0, but must be positive",
                "'num_key_value_heads':5|the number of heads is 32, but must be a multiple of the 5 key/value heads",
                "'num_key_value_heads':0|the number of key/value heads is 0, but must be positive",
                "'head_dim':7|the head dimension is 7, but must be even",
                "'hidden_size':16|the head dimension is 0, but must be positive",
                "'num_experts_per_tok':9|the number of experts per token is 9, but must be at most 8",
                "'rope_theta':0|the rope theta is 0.0, but must be a positive number",
                "'rope_theta':Infinity|the rope theta is Infinity, but must be a positive number",
                "'rope_theta':'x'|rope_theta is \"x\", but must be a number",
                "'rms_norm_eps':-1|the RMSNorm epsilon is -1.0, but must be a number from 0",
                "'sliding_window':0|sliding_window is 0, but must be a positive number of tokens, or null for none",
                "'bos_token_id':32000|the BOS token is 32000, but must be below 32000",
                "'eos_token_id':[2,32000]|the EOS token is 32000, but must be in [0, 32000)",
                "'eos_token_id':-1|the EOS token is -1, but must be in [0, 32000)",
                "'eos_token_id':'</s>'|eos_token_id is \"</s>\", but must be a whole number",
                "'num_attention_heads':65536,'num_key_value_heads':1,'head_dim':65536|queries of one token would have more than 2147483647 elements",
            })
    void refusesWhatCannotBeRun(String field, String message) {
        assertRefused("{'model_type':'mixtral'," + field + "}", "dir/config.json: " + message);
    }

    private static void assertRefused(String json, String message) {
        assertThatThrownBy(() -> read(json))
                .isInstanceOf(ModelException.class)
                .hasMessageStartingWith("dir/config.json")
                .hasMessageContaining(message);
    }

    private static ModelConfig with(String field) {
        return read("{'model_type':'mixtral'," + field + "}");
    }

    private static ModelConfig read(String json) {
        return read(json, Optional.empty());
    }

    private static ModelConfig read(String json, Optional<String> generation) {
        return HuggingFaceConfig.read("dir/config.json", node(json), generation.map(HuggingFaceConfigTest::node));
    }

    private static JsonNode node(String json) {
        try {
            return JsonMapper.builder()
                    .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
                    .build()
                    .readValue(json.replace('\'', '"'), ObjectNode.class);
        } catch (JsonProcessingException e) {
            throw new AssertionError(json, e);
        }
    }
}
