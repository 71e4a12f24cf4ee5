package io.github.sparkmixtral.safetensors;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.file.JsonFile;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.file.StandIn;
import io.github.sparkmixtral.tensor.StoredTensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.LongConsumer;

/**
 * One {@code .safetensors} file: 8 bytes of header length (little-endian), a JSON header, and the tensors' data without gaps
 * (<a href="https://huggingface.co/docs/safetensors">format</a>).
 */
public final class SafetensorsFile {
    private static final int LONGEST_NAME = 512;

    private final String file;
    private final MemorySegment content;

    /** Where a tensor's data lies in the data section. */
    private record Range(String name, long begin, long end) {}

    private SafetensorsFile(String file, MemorySegment content) {
        this.file = file;
        this.content = content;
    }

    /**
     * Reads the header and checks every claim in it against the file's size. Does not touch the data.
     *
     * @param file for error messages
     * @param content the whole file; the tensors are views of it
     * @return tensors by name, in the header's order
     * @throws ModelException where the header lies, naming the file and the tensor
     */
    public static Map<String, StoredTensor> read(String file, MemorySegment content) {
        return read(file, content, _ -> {});
    }

    /**
     * The same for a file whose bytes come only as they are needed.
     *
     * @param content as long as the file
     * @param needed told how many bytes of the file must be there, before they are read
     */
    public static Map<String, StoredTensor> read(String file, MemorySegment content, LongConsumer needed) {
        return new SafetensorsFile(file, content.asReadOnly()).tensors(needed);
    }

    private Map<String, StoredTensor> tensors(LongConsumer needed) {
        needed.accept(Math.min(StandIn.BYTES, content.byteSize()));
        StandIn.refuse(file, content);
        long headerBytes = headerBytes();
        needed.accept(8 + headerBytes);
        JsonNode header = JsonFile.read(file + ": the header", content.asSlice(8, headerBytes));
        MemorySegment data = content.asSlice(8 + headerBytes);
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        List<Range> ranges = new ArrayList<>();
        for (Map.Entry<String, JsonNode> entry : header.properties()) {
            if (!entry.getKey().equals("__metadata__")) {
                tensors.put(entry.getKey(), tensor(entry.getKey(), entry.getValue(), data, ranges));
            }
        }
        checkGapless(ranges, data.byteSize());
        return tensors;
    }

    private long headerBytes() {
        if (content.byteSize() < 8) {
            throw new ModelException("%s has %d bytes, too few for a safetensors file; fetch it again"
                    .formatted(file, content.byteSize()));
        }
        long headerBytes = content.get(JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0);
        if (headerBytes < 2 || headerBytes > content.byteSize() - 8) {
            throw new ModelException(
                    "%s states a header of %s bytes, but has %d bytes: it is truncated or no safetensors file; fetch it again"
                            .formatted(file, Long.toUnsignedString(headerBytes), content.byteSize()));
        }
        return headerBytes;
    }

    private StoredTensor tensor(String name, JsonNode entry, MemorySegment data, List<Range> ranges) {
        if (name.length() > LONGEST_NAME) {
            throw new ModelException("%s has a tensor whose name begins with %s and has %d characters, more than %d"
                    .formatted(file, name.substring(0, 32), name.length(), LONGEST_NAME));
        }
        String dtype = dtype(name, entry.get("dtype"));
        List<Long> shape = numbers(name, "shape", entry.get("shape"));
        List<Long> offsets = numbers(name, "data_offsets", entry.get("data_offsets"));
        if (offsets.size() != 2 || offsets.getFirst() > offsets.getLast() || offsets.getLast() > data.byteSize()) {
            throw new ModelException(
                    "%s: tensor %s has the data_offsets %s, but there are %d bytes of data: the file is truncated or damaged; fetch it again"
                            .formatted(file, name, offsets, data.byteSize()));
        }
        Range range = new Range(name, offsets.getFirst(), offsets.getLast());
        ranges.add(range);
        checkSize(name, dtype, shape, range.end() - range.begin());
        Optional<TensorType> type = type(dtype);
        return new StoredTensor(
                file, name, dtype, type, shape, data.asSlice(range.begin(), range.end() - range.begin()));
    }

    private String dtype(String name, JsonNode node) {
        if (node == null || !node.isTextual() || node.textValue().length() > 32) {
            throw new ModelException("%s: tensor %s has no valid dtype".formatted(file, name));
        }
        return node.textValue();
    }

    private List<Long> numbers(String name, String field, JsonNode node) {
        if (node == null || !node.isArray() || node.size() > 16) {
            throw new ModelException("%s: tensor %s has no valid %s".formatted(file, name, field));
        }
        List<Long> numbers = new ArrayList<>();
        for (JsonNode number : node) {
            if (!number.isIntegralNumber() || !number.canConvertToLong() || number.longValue() < 0) {
                throw new ModelException(
                        "%s: tensor %s has %.40s in its %s, which must be whole numbers from 0 to 2^63 - 1"
                                .formatted(file, name, number, field));
            }
            numbers.add(number.longValue());
        }
        return numbers;
    }

    private void checkSize(String name, String dtype, List<Long> shape, long bytes) {
        OptionalInt bits = bits(dtype);
        if (bits.isEmpty()) {
            return;
        }
        long needed;
        try {
            long elements = 1;
            for (long dimension : shape) {
                elements = Math.multiplyExact(elements, dimension);
            }
            needed = Math.ceilDiv(Math.multiplyExact(elements, (long) bits.getAsInt()), 8);
        } catch (ArithmeticException e) {
            throw new ModelException(
                    "%s: tensor %s has the shape %s, which is too large".formatted(file, name, shape), e);
        }
        if (needed != bytes) {
            throw new ModelException("%s: tensor %s of %s %s needs %d bytes, but its data_offsets span %d"
                    .formatted(file, name, dtype, shape, needed, bytes));
        }
    }

    /** The format leaves no byte of the data section unused and none used twice. */
    private void checkGapless(List<Range> ranges, long dataBytes) {
        ranges.sort(Comparator.comparingLong(Range::begin).thenComparingLong(Range::end));
        Range before = new Range("the header", 0, 0);
        for (Range range : ranges) {
            if (range.begin() < before.end()) {
                throw new ModelException(
                        "%s: the data of the tensors %s and %s overlap".formatted(file, before.name(), range.name()));
            }
            if (range.begin() > before.end()) {
                throw new ModelException("%s: %d bytes between %s and tensor %s belong to no tensor"
                        .formatted(file, range.begin() - before.end(), before.name(), range.name()));
            }
            before = range;
        }
        if (before.end() != dataBytes) {
            throw new ModelException("%s: the last %d bytes of the file belong to no tensor; fetch it again"
                    .formatted(file, dataBytes - before.end()));
        }
    }

    private static Optional<TensorType> type(String dtype) {
        return switch (dtype) {
            case "F32" -> Optional.of(TensorType.F32);
            case "F16" -> Optional.of(TensorType.F16);
            case "BF16" -> Optional.of(TensorType.BF16);
            default -> Optional.empty();
        };
    }

    /** Bits per element; empty for a dtype newer than this class, which does no harm unless the model needs the tensor. */
    private static OptionalInt bits(String dtype) {
        return switch (dtype) {
            case "F4" -> OptionalInt.of(4);
            case "F6_E2M3", "F6_E3M2" -> OptionalInt.of(6);
            case "BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0" -> OptionalInt.of(8);
            case "U16", "I16", "F16", "BF16" -> OptionalInt.of(16);
            case "U32", "I32", "F32" -> OptionalInt.of(32);
            case "U64", "I64", "F64", "C64" -> OptionalInt.of(64);
            default -> OptionalInt.empty();
        };
    }
}
