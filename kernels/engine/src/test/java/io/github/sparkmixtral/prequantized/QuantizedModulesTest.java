package io.github.sparkmixtral.prequantized;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.RowReader;
import io.github.sparkmixtral.tensor.StoredTensor;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Quantized modules that do not fit their configuration or each other: each is refused by name, before or as it is read. */
class QuantizedModulesTest {
    private static final String GPTQ = "{'quant_method':'gptq','bits':4,'group_size':32,'sym':true}";
    private static final String AWQ = "{'quant_method':'awq','bits':4,'group_size':32,'version':'gemm'}";
    private static final String FP8 = "{'quant_method':'fp8','weight_block_size':[16,32]}";
    private static final String NF4 = "{'quant_method':'bitsandbytes','load_in_4bit':true}";

    private final Map<String, StoredTensor> tensors = new LinkedHashMap<>();

    @Test
    void aPlainWeightIsNoneOfItsBusiness() {
        put("weight", "BF16", Optional.of(TensorType.BF16), new byte[2 * 32 * 64], 32, 64);
        QuantizedModules modules = modules("{'quant_method':'hqq'}");
        assertThat(modules.matrix("m", 32, 64).type()).isEqualTo(TensorType.BF16);
        assertThat(modules.format()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'quant_method':'hqq'}|quant_method hqq",
                "{'quant_method':'eetq'}|quant_method eetq",
                "{'quant_method':'aqlm'}|quant_method aqlm",
                "{'quant_method':'exl2'}|quant_method exl2",
                "{'quant_method':'mxfp4'}|quant_method mxfp4",
                "{'bits':4}|quant_method unknown",
                "{'quant_method':'gptq','bits':4,'checkpoint_format':'marlin'}|GPTQ in the format marlin",
                "{'quant_method':'gptq','bits':4,'is_marlin_format':true}|GPTQ in the format marlin",
                "{'quant_method':'gptq','bits':5}|GPTQ of 5 bits",
                "{'quant_method':'awq','bits':4,'version':'gemv'}|AWQ of 4 bits in the version gemv",
                "{'quant_method':'awq','bits':3}|AWQ of 3 bits in the version gemm",
                "{'quant_method':'compressed-tensors','format':'nvfp4-pack-quantized'}|compressed-tensors in the format nvfp4-pack-quantized",
            })
    void namesAMethodThatIsNotSupported(String config, String what) {
        assertThatThrownBy(() -> modules(config).matrix("m", 32, 64))
                .isInstanceOf(ModelException.class)
                .hasMessage(
                        "dir/config.json: quantization_config: the weights are quantized with %s, which is not supported; take the unquantized model with --quantization q8_0 or q4_0, a GGUF file, or one in GPTQ, AWQ, FP8 or bitsandbytes nf4",
                        what);
    }

    @Test
    void refusesFp4() {
        put("weight", "U8", Optional.empty(), new byte[32 * 32], 32 * 32, 1);
        put("weight.quant_state.bitsandbytes__fp4", "U8", Optional.empty(), new byte[2], 2);
        assertRefused(NF4, "the weights are quantized with bitsandbytes fp4, which is not supported");
    }

    @Test
    void asksForTheConfiguration() {
        gptq();
        QuantizedModules modules = new QuantizedModules(Optional.empty(), this::find, this::required);
        assertThatThrownBy(() -> modules.matrix("m", 32, 64))
                .isInstanceOf(ModelException.class)
                .hasMessage(
                        "dir/f.safetensors: tensor m.qweight is quantized, but neither config.json nor quantize_config.json or quant_config.json says how; fetch the file that does");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'bits':4|there is no group_size",
                "'group_size':32|there is no bits",
                "'bits':'four','group_size':32|bits is \"four\", but must be a whole number",
                "'bits':4,'group_size':48|group_size is 48, but must be -1 or a multiple of 32 that divides the 64 inputs of a matrix",
                "'bits':4,'group_size':0|group_size is 0, but must be -1",
                "'bits':4,'group_size':16|group_size is 16, but must be -1",
                "'bits':8,'group_size':32|tensor m.qweight has the shape [8, 32], but the model's dimensions and its quantization ask for [16, 32]",
                "'bits':4,'group_size':64|tensor m.qzeros has the shape [2, 4], but the model's dimensions and its quantization ask for [1, 4]",
            })
    void gptqFitsItsConfiguration(String fields, String message) {
        gptq();
        assertRefused("{'quant_method':'gptq'," + fields + "}", message);
    }

    @ParameterizedTest
    @CsvSource({"qweight", "qzeros", "scales"})
    void namesAMissingTensor(String name) {
        gptq();
        tensors.remove("m." + name);
        assertRefused(GPTQ, "no tensor m." + name);
    }

    @Test
    void namesAMisshapenTensor() {
        gptq();
        put("scales", "F16", Optional.of(TensorType.F16), new byte[2 * 2 * 31], 2, 31);
        assertRefused(
                GPTQ,
                "dir/f.safetensors: tensor m.scales has the shape [2, 31], but the model's dimensions and its quantization ask for [2, 32]");
        put("qzeros", "I64", Optional.empty(), new byte[8 * 2 * 4], 2, 4);
        assertRefused(GPTQ, "dir/f.safetensors: tensor m.qzeros has the type I64, not I32");
    }

    @Test
    void actOrderNeedsItsIndex() {
        gptq();
        String config = GPTQ.replace("}", ",'desc_act':true}");
        assertRefused(config, "no tensor m.g_idx");
        byte[] index = new byte[4 * 64];
        index[4 * 7] = 2;
        put("g_idx", "I32", Optional.empty(), index, 64);
        assertUnreadable(config, "tensor m.qweight: g_idx puts input 7 into the group 2 of 2; the file is damaged");
        index[4 * 7] = 1;
        assertUnreadable(
                GPTQ,
                "tensor m.qweight: g_idx puts input 7 into the group 1, which only desc_act true explains; correct it in the quantization's configuration");
    }

    @Test
    void symmetricWeightsHaveTheirZeroPointInTheMiddle() {
        gptq();
        assertUnreadable(
                GPTQ,
                "tensor m.qweight: output 0 has the zero point 1 in qzeros, but weights that are called symmetric have 8; correct the quantization's configuration (sym, checkpoint_format)");
        tensors.get("m.qzeros").data().fill((byte) 0x77);
        Tensor matrix = modules(GPTQ).matrix("m", 32, 64);
        float[] row = new float[64];
        matrix.type().decode(new RowReader(matrix).row(3), 0, row, 0, 64);
        assertThat(row).containsOnly(-8);
    }

    @Test
    void awqFitsItsDimensions() {
        put("qweight", "I32", Optional.empty(), new byte[4 * 64 * 4], 64, 4);
        put("qzeros", "I32", Optional.empty(), new byte[4 * 2 * 4], 2, 4);
        put("scales", "F16", Optional.of(TensorType.F16), new byte[2 * 2 * 32], 2, 32);
        assertThat(modules(AWQ).matrix("m", 32, 64).type()).isEqualTo(TensorType.Q4_1);
        put("qweight", "I32", Optional.empty(), new byte[4 * 8 * 32], 8, 32);
        assertRefused(
                AWQ,
                "tensor m.qweight has the shape [8, 32], but the model's dimensions and its quantization ask for [64, 4]");
    }

    @Test
    void float8FitsItsScales() {
        put("weight", "F8_E4M3", Optional.empty(), new byte[32 * 64], 32, 64);
        assertRefused(FP8, "no tensor m.weight_scale");
        put("weight_scale_inv", "F32", Optional.of(TensorType.F32), new byte[4 * 3 * 2], 3, 2);
        assertRefused(
                FP8,
                "tensor m.weight_scale_inv has the shape [3, 2], which is neither one scale, nor one for each of the 32 outputs, nor one for each block of [16, 32] of [32, 64]");
        assertRefused("{'quant_method':'fp8'}", "nor one for each block of a weight_block_size of [32, 64]");
        assertRefused(
                "{'quant_method':'fp8','weight_block_size':[0,128]}",
                "weight_block_size is [0,128], but must be two positive numbers");
        put("weight", "F8_E5M2", Optional.empty(), new byte[32 * 64], 32, 64);
        assertRefused(FP8, "tensor m.weight has the type F8_E5M2, not F8_E4M3");
    }

    @Test
    void float8HoldsNumbersOnly() {
        byte[] weights = new byte[32 * 64];
        weights[64 * 5] = 0x7F;
        put("weight", "F8_E4M3", Optional.empty(), weights, 32, 64);
        put("weight_scale", "F32", Optional.of(TensorType.F32), new byte[4]);
        assertUnreadable(
                FP8,
                "dir/f.safetensors: tensor m.weight, or its scale, makes a weight in row 5 that is not a number or above 65,504; the file is damaged");
    }

    @Test
    void levelsFitTheirState() {
        put("weight", "U8", Optional.empty(), new byte[32 * 32], 32 * 32, 1);
        put("weight.absmax", "F32", Optional.of(TensorType.F32), new byte[4 * 31], 31);
        assertRefused(
                NF4,
                "tensor m.weight.absmax has the shape [31], which makes no blocks of a multiple of 32 of the 2048 weights");
        put("weight.absmax", "F32", Optional.of(TensorType.F32), new byte[4 * 32], 32);
        put("weight.quant_map", "F32", Optional.of(TensorType.F32), new byte[4 * 16], 16);
        assertRefused(NF4, "no tensor m.weight.quant_state.bitsandbytes__nf4");
        state("{\"blocksize\":128,\"shape\":[32,64]}");
        assertUnreadable(
                NF4,
                "tensor m.weight.quant_state.bitsandbytes__nf4: the blocksize is 128 and the shape [32,64], but the tensors beside it are of [32, 64] in blocks of 64");
        state("{\"blocksize\":64,\"shape\":[32,64]}");
        assertUnreadable(NF4, "the quant_map has the level 0.0 where NF4 has -1.0");
        state("nonsense");
        assertUnreadable(NF4, "tensor m.weight.quant_state.bitsandbytes__nf4 is no valid JSON");
    }

    /** [32, 64] in two groups, all zero. */
    private void gptq() {
        put("qweight", "I32", Optional.empty(), new byte[4 * 8 * 32], 8, 32);
        put("qzeros", "I32", Optional.empty(), new byte[4 * 2 * 4], 2, 4);
        byte[] scales = new byte[2 * 2 * 32];
        for (int i = 1; i < scales.length; i += 2) {
            scales[i] = 0x3C;
        }
        put("scales", "F16", Optional.of(TensorType.F16), scales, 2, 32);
    }

    private void state(String json) {
        byte[] bytes = json.getBytes(StandardCharsets.UTF_8);
        put("weight.quant_state.bitsandbytes__nf4", "U8", Optional.empty(), bytes, bytes.length);
    }

    private void put(String name, String dtype, Optional<TensorType> type, byte[] data, long... shape) {
        tensors.put(
                "m." + name,
                new StoredTensor(
                        "dir/f.safetensors",
                        "m." + name,
                        dtype,
                        type,
                        Arrays.stream(shape).boxed().toList(),
                        MemorySegment.ofArray(data)));
    }

    private Optional<StoredTensor> find(String name) {
        return Optional.ofNullable(tensors.get(name));
    }

    private StoredTensor required(String name) {
        return find(name).orElseThrow(() -> new ModelException("no tensor " + name));
    }

    private QuantizedModules modules(String config) {
        try {
            JsonNode json = new ObjectMapper().readTree(("{'quantization_config':" + config + "}").replace('\'', '"'));
            return new QuantizedModules(
                    QuantizationConfig.read("dir", json, name -> Optional.empty()), this::find, this::required);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void assertRefused(String config, String message) {
        assertThatThrownBy(() -> modules(config).matrix("m", 32, 64))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining(message);
    }

    private void assertUnreadable(String config, String message) {
        RowReader reader = new RowReader(modules(config).matrix("m", 32, 64));
        assertThatThrownBy(() -> reader.row(3))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining(message);
    }
}
