package io.github.sparkmixtral.prequantized;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.StoredTensor;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * The linear modules of a checkpoint that may be quantized. What is stored decides: a module with a plain {@code weight} is not
 * quantized, whatever the configuration says, so that lists like {@code modules_to_not_convert} need not be read. The configuration says how
 * the others are stored. All shapes are checked here; no weight is read.
 */
public final class QuantizedModules {
    private static final int BLOCK = 32;

    private final Optional<QuantizationConfig> config;
    private final Function<String, Optional<StoredTensor>> tensors;
    private final Function<String, StoredTensor> required;
    private String format = "";

    /**
     * @param tensors by name
     * @param required the same, where the model cannot do without
     */
    public QuantizedModules(
            Optional<QuantizationConfig> config,
            Function<String, Optional<StoredTensor>> tensors,
            Function<String, StoredTensor> required) {
        this.config = config;
        this.tensors = tensors;
        this.required = required;
    }

    /** What the modules were quantized with, such as {@code GPTQ 4-bit}; empty where none was. */
    public String format() {
        return format;
    }

    /**
     * The weights of a module.
     *
     * @param module such as {@code model.layers.0.self_attn.q_proj}
     * @throws ModelException where they are missing, misshapen or quantized in a way that is not supported
     */
    public Tensor matrix(String module, int rows, int columns) {
        Optional<StoredTensor> weight = tensors.apply(module + ".weight");
        if (config.isEmpty() || weight.isPresent() && weight.get().type().isPresent()) {
            if (weight.isEmpty() && tensors.apply(module + ".qweight").isPresent()) {
                throw new ModelException(
                        "%s: tensor %s.qweight is quantized, but neither config.json nor quantize_config.json or quant_config.json says how; fetch the file that does"
                                .formatted(required.apply(module + ".qweight").file(), module));
            }
            return required.apply(module + ".weight").matrix(rows, columns);
        }
        QuantizationConfig how = config.get();
        return switch (how.method()) {
            case "gptq" -> gptq(how, module, rows, columns);
            case "awq" -> awq(how, module, rows, columns);
            case "fp8", "fbgemm_fp8" -> float8(how, module, rows, columns);
            case "compressed-tensors" -> compressed(how, module, rows, columns);
            case "bitsandbytes" -> bitsAndBytes(how, module, rows, columns);
            default -> throw how.unsupported("quant_method %.60s".formatted(how.method()));
        };
    }

    private Tensor gptq(QuantizationConfig how, String module, int rows, int columns) {
        String stored = how.text("checkpoint_format", how.text("format", "gptq"));
        boolean first = stored.equals("gptq");
        if (!first && !stored.equals("gptq_v2") || how.flag("is_marlin_format", false)) {
            throw how.unsupported("GPTQ in the format %.60s".formatted(first ? "marlin" : stored));
        }
        int bits = how.required("bits");
        if (bits != 2 && bits != 3 && bits != 4 && bits != 8) {
            throw how.unsupported("GPTQ of %d bits".formatted(bits));
        }
        int groupSize = groupSize(how, columns, "group_size");
        int groups = Math.ceilDiv(columns, groupSize);
        boolean shuffled = how.flag("desc_act", false) && groups > 1 && !how.flag("static_groups", false);
        requireWords(how, module, columns, bits);
        requireWords(how, module, rows, bits);
        long deep = (long) columns * bits / Integer.SIZE;
        long wide = (long) rows * bits / Integer.SIZE;
        Optional<StoredTensor> groupOf =
                shuffled ? Optional.of(required.apply(module + ".g_idx")) : tensors.apply(module + ".g_idx");
        groupOf.ifPresent(index -> Stored.checked(index, "I32", Stored.shape(columns)));
        StoredTensor qweight = Stored.checked(required.apply(module + ".qweight"), "I32", Stored.shape(deep, rows));
        GptqLayout layout = new GptqLayout(
                rows,
                bits,
                qweight,
                Stored.checked(required.apply(module + ".qzeros"), "I32", Stored.shape(groups, wide)),
                Stored.floats(required.apply(module + ".scales"), Stored.shape(groups, rows)),
                first ? 1 : 0);
        format("GPTQ %d-bit%s".formatted(bits, shuffled ? " act-order" : ""));
        TensorType type = integerType(bits, how.flag("sym", true), shuffled);
        return integers(qweight, "qzeros", type, bits, rows, columns, groups, groupOf, shuffled, layout);
    }

    private Tensor awq(QuantizationConfig how, String module, int rows, int columns) {
        String version = how.text("version", "gemm");
        int bits = how.required("bits", "w_bit");
        if (!version.equals("gemm") || bits != 4) {
            throw how.unsupported("AWQ of %d bits in the version %.60s".formatted(bits, version));
        }
        int groups = columns / groupSize(how, columns, "group_size", "q_group_size");
        requireWords(how, module, rows, bits);
        long wide = rows / AwqLayout.PER_WORD;
        StoredTensor qweight = Stored.checked(required.apply(module + ".qweight"), "I32", Stored.shape(columns, wide));
        AwqLayout layout = new AwqLayout(
                rows,
                qweight,
                Stored.checked(required.apply(module + ".qzeros"), "I32", Stored.shape(groups, wide)),
                Stored.floats(required.apply(module + ".scales"), Stored.shape(groups, rows)));
        format("AWQ 4-bit");
        return integers(
                qweight, "qzeros", TensorType.Q4_1, bits, rows, columns, groups, Optional.empty(), false, layout);
    }

    private Tensor float8(QuantizationConfig how, String module, int rows, int columns) {
        StoredTensor weight =
                Stored.checked(required.apply(module + ".weight"), "F8_E4M3", Stored.shape(rows, columns));
        StoredTensor scales =
                tensors.apply(module + ".weight_scale_inv").orElseGet(() -> required.apply(module + ".weight_scale"));
        List<Long> shape = Stored.floats(scales, scales.shape()).shape();
        long down = shape.isEmpty() ? 1 : shape.getFirst();
        long across = shape.size() < 2 ? 1 : shape.getLast();
        int[] block = block(how);
        int blockRows = down == 1 ? rows : down == rows ? 1 : block[0];
        int blockColumns = across == 1 ? columns : block[1] > 0 ? block[1] : Math.ceilDiv(columns, (int) across);
        if (shape.size() > 2
                || blockRows < 1
                || blockColumns < 1
                || down != Math.ceilDiv(rows, blockRows)
                || across != Math.ceilDiv(columns, blockColumns)) {
            throw new ModelException(
                    "%s: tensor %s has the shape %s, which is neither one scale, nor one for each of the %d outputs, nor one for each block of %s of [%d, %d]"
                            .formatted(
                                    scales.file(),
                                    scales.name(),
                                    shape,
                                    rows,
                                    block[0] > 0 ? "[" + block[0] + ", " + block[1] + "]" : "a weight_block_size",
                                    rows,
                                    columns));
        }
        format("FP8");
        return new Tensor(
                weight.name(),
                TensorType.F16,
                rows,
                columns,
                new Float8Matrix(columns, weight, scales, blockRows, blockColumns));
    }

    /** {@code weight_block_size}, or compressed-tensors' {@code block_structure}; zeros where there is neither. */
    private static int[] block(QuantizationConfig how) {
        JsonNode size = how.fields().path("weight_block_size");
        if (!size.isArray()) {
            JsonNode structure = how.fields().findValue("block_structure");
            size = structure == null ? size : structure;
        }
        if (size.isMissingNode() || size.isNull()) {
            return new int[2];
        }
        int down = size.path(0).asInt(0);
        int across = size.path(1).asInt(0);
        if (size.size() != 2 || down < 1 || across < 1) {
            throw how.refusal("weight_block_size is %.60s, but must be two positive numbers".formatted(size));
        }
        return new int[] {down, across};
    }

    private Tensor compressed(QuantizationConfig how, String module, int rows, int columns) {
        Optional<StoredTensor> packed = tensors.apply(module + ".weight_packed");
        Optional<StoredTensor> weight = tensors.apply(module + ".weight");
        if (weight.isPresent() && weight.get().typeName().equals("F8_E4M3")) {
            return float8(how, module, rows, columns);
        }
        boolean bytes = weight.isPresent() && RowLayout.signedBytes(weight.get());
        boolean words = packed.isPresent() && packed.get().typeName().equals("I32");
        if (!bytes && !words) {
            throw how.unsupported("compressed-tensors in the format %.60s".formatted(how.text("format", "unknown")));
        }
        StoredTensor stored = bytes
                ? Stored.checked(weight.get(), "I8", Stored.shape(rows, columns))
                : Stored.checked(
                        packed.get(),
                        "I32",
                        Stored.shape(rows, Math.ceilDiv(columns, 8)),
                        Stored.shape(rows, Math.ceilDiv(columns, 4)));
        int bits = bytes || stored.shape().getLast() == Math.ceilDiv(columns, 4) ? 8 : 4;
        StoredTensor scales = required.apply(module + ".weight_scale");
        long groups = scales.shape().size() == 2 ? scales.shape().getLast() : 1;
        if (groups < 1 || columns % groups != 0 || columns / groups % BLOCK != 0) {
            throw new ModelException(
                    "%s: tensor %s has the shape %s, which makes no groups of a multiple of %d of the %d inputs"
                            .formatted(scales.file(), scales.name(), scales.shape(), BLOCK, columns));
        }
        Stored.floats(
                scales, Stored.shape(rows, groups), Stored.shape(rows), Stored.shape(1, 1), Stored.shape(1), List.of());
        Optional<StoredTensor> zeros = tensors.apply(module + ".weight_zero_point");
        zeros.ifPresent(tensor -> {
            if (RowLayout.signedBytes(tensor)) {
                Stored.checked(tensor, "I8", Stored.shape(rows, groups));
            } else {
                Stored.checked(tensor, "I32", Stored.shape(Math.ceilDiv(rows, Integer.SIZE / bits), groups));
            }
        });
        Optional<StoredTensor> groupOf = tensors.apply(module + ".weight_g_idx");
        groupOf.ifPresent(index -> Stored.checked(index, "I32", Stored.shape(columns)));
        RowLayout layout = new RowLayout(bits, stored, scales, 1, zeros);
        format("compressed-tensors %d-bit".formatted(bits));
        TensorType type = integerType(bits, zeros.isEmpty(), groupOf.isPresent());
        return integers(
                stored,
                "weight_zero_point",
                type,
                bits,
                rows,
                columns,
                (int) groups,
                groupOf,
                groupOf.isPresent(),
                layout);
    }

    private Tensor bitsAndBytes(QuantizationConfig how, String module, int rows, int columns) {
        StoredTensor weight = required.apply(module + ".weight");
        if (weight.typeName().equals("U8")) {
            return normalFloat(how, module, weight, rows, columns);
        }
        if (!RowLayout.signedBytes(weight)) {
            throw how.unsupported("bitsandbytes in the type %.60s".formatted(weight.typeName()));
        }
        Stored.checked(weight, "I8", Stored.shape(rows, columns));
        StoredTensor scales = Stored.floats(required.apply(module + ".SCB"), Stored.shape(rows));
        format("bitsandbytes INT8");
        RowLayout layout = new RowLayout(8, weight, scales, 1 / 127f, Optional.empty());
        return integers(weight, "SCB", TensorType.Q8_0, 8, rows, columns, 1, Optional.empty(), false, layout);
    }

    private Tensor normalFloat(QuantizationConfig how, String module, StoredTensor weight, int rows, int columns) {
        String prefix = module + ".weight.";
        if (tensors.apply(prefix + "quant_state.bitsandbytes__fp4").isPresent()) {
            throw how.unsupported("bitsandbytes fp4");
        }
        requireBlocks(weight, columns);
        long elements = (long) rows * columns;
        Stored.checked(weight, "U8", Stored.shape(elements / 2, 1), Stored.shape(elements / 2));
        StoredTensor magnitudes = required.apply(prefix + "absmax");
        long blocks = magnitudes.shape().isEmpty() ? 0 : magnitudes.shape().getFirst();
        if (blocks < 1 || elements % blocks != 0 || elements / blocks % BLOCK != 0) {
            throw new ModelException(
                    "%s: tensor %s has the shape %s, which makes no blocks of a multiple of %d of the %d weights"
                            .formatted(magnitudes.file(), magnitudes.name(), magnitudes.shape(), BLOCK, elements));
        }
        Optional<NormalFloatMatrix.Nested> nested = Optional.empty();
        if (magnitudes.typeName().equals("U8")) {
            StoredTensor scales = required.apply(prefix + "nested_absmax");
            long groups = scales.shape().isEmpty() ? 0 : scales.shape().getFirst();
            nested = Optional.of(new NormalFloatMatrix.Nested(
                    Stored.checked(
                            required.apply(prefix + "nested_quant_map"),
                            "F32",
                            Stored.shape(NormalFloatMatrix.NESTED_LEVELS)),
                    Stored.floats(scales, Stored.shape(groups))));
            Stored.checked(magnitudes, "U8", Stored.shape(blocks));
        } else {
            Stored.floats(magnitudes, Stored.shape(blocks));
        }
        StoredTensor levels =
                Stored.floats(required.apply(prefix + "quant_map"), Stored.shape(NormalFloatMatrix.LEVELS));
        StoredTensor state = required.apply(prefix + "quant_state.bitsandbytes__nf4");
        format("bitsandbytes NF4");
        int blockSize = (int) (elements / blocks);
        return new Tensor(
                weight.name(),
                TensorType.NF4,
                rows,
                columns,
                new NormalFloatMatrix(rows, columns, blockSize, weight, levels, magnitudes, nested, state));
    }

    private static void requireBlocks(StoredTensor weight, int columns) {
        if (columns % BLOCK != 0) {
            throw new ModelException(
                    "%s: tensor %s has %d inputs, which is no multiple of the blocks of %d that they become"
                            .formatted(weight.file(), weight.name(), columns, BLOCK));
        }
    }

    private Tensor integers(
            StoredTensor weight,
            String zeros,
            TensorType type,
            int bits,
            int rows,
            int columns,
            int groups,
            Optional<StoredTensor> groupOf,
            boolean shuffled,
            IntegerRows.Layout layout) {
        requireBlocks(weight, columns);
        return new Tensor(
                weight.name(),
                type,
                rows,
                columns,
                new IntegerMatrix(
                        weight.file(),
                        weight.name(),
                        zeros,
                        type,
                        1 << bits - 1,
                        columns,
                        groups,
                        columns / groups,
                        groupOf.map(StoredTensor::data),
                        shuffled,
                        layout));
    }

    /** The type that holds what it must without a loss, if there is one; see {@link IntegerMatrix}. */
    private static TensorType integerType(int bits, boolean symmetric, boolean shuffled) {
        if (bits == 8) {
            return symmetric && !shuffled ? TensorType.Q8_0 : TensorType.F16;
        }
        return shuffled ? TensorType.Q8_0 : symmetric ? TensorType.Q4_0 : TensorType.Q4_1;
    }

    /** Inputs that share a scale: a divisor of all, and a multiple of a block. */
    private static int groupSize(QuantizationConfig how, int columns, String... keys) {
        int size = how.required(keys);
        if (size == -1) {
            return columns;
        }
        if (size < BLOCK || size % BLOCK != 0 || columns % size != 0) {
            throw how.refusal(
                    "%s is %d, but must be -1 or a multiple of %d that divides the %d inputs of a matrix; take a model with another one"
                            .formatted(keys[0], size, BLOCK, columns));
        }
        return size;
    }

    private static void requireWords(QuantizationConfig how, String module, long integers, int bits) {
        if (integers * bits % Integer.SIZE != 0) {
            throw how.refusal("%d weights of %d bits of %s fill no whole number of words of 32 bits"
                    .formatted(integers, bits, module));
        }
    }

    private void format(String name) {
        format = format.isEmpty() ? name : format;
    }
}
