package io.github.sparkmixtral.tensor;

import io.github.sparkmixtral.file.ModelException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A tensor as its file states it, before anybody has asked for a shape. The parsers have checked that the data lies inside the
 * file and has the size that shape and type need.
 *
 * @param file where it is stored, for error messages
 * @param name its name in the file
 * @param typeName the file's own name of its type
 * @param type empty where the type is none that a model can be run with
 * @param shape row-major, the dimension whose elements lie side by side last
 * @param data read-only view, also where there is no {@code type}; whoever reads it then knows its layout
 */
public record StoredTensor(
        String file, String name, String typeName, Optional<TensorType> type, List<Long> shape, MemorySegment data) {

    public StoredTensor {
        shape = List.copyOf(shape);
    }

    /**
     * The whole tensor as one matrix {@code [rows, columns]}; a vector has one row.
     *
     * @throws ModelException as {@link #stack}
     */
    public Tensor matrix(int rows, int columns) {
        return stack(1, rows, columns).getFirst();
    }

    /**
     * A tensor {@code [count, rows, columns]} as {@code count} matrices, which are views and no copies.
     *
     * @throws ModelException where the tensor has another shape, or a type that no model can be run with
     */
    public List<Tensor> stack(int count, int rows, int columns) {
        List<Long> wanted = List.of((long) count, (long) rows, (long) columns);
        if (!withoutLeadingOnes(shape).equals(withoutLeadingOnes(wanted))) {
            throw new ModelException("%s: tensor %s has the shape %s, but the model's dimensions ask for %s"
                    .formatted(file, name, shape, withoutLeadingOnes(wanted)));
        }
        TensorType known = supportedType();
        if (columns % known.blockSize() != 0) {
            throw new ModelException("%s: tensor %s has rows of %d elements, which is no multiple of %s's block of %d"
                    .formatted(file, name, columns, known, known.blockSize()));
        }
        long bytes = known.bytes((long) rows * columns);
        List<Tensor> matrices = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String label = count == 1 ? name : name + "[" + i + "]";
            matrices.add(new Tensor(label, known, rows, columns, data.asSlice(i * bytes, bytes)));
        }
        return matrices;
    }

    private TensorType supportedType() {
        return type.orElseThrow(() -> new ModelException(
                "%s: tensor %s has the type %s, which is not supported; supported are %s; take the model in one of these, or convert it"
                        .formatted(
                                file,
                                name,
                                typeName,
                                Stream.of(TensorType.values())
                                        .filter(known -> !known.isTable())
                                        .map(TensorType::name)
                                        .collect(Collectors.joining(", ")))));
    }

    private static List<Long> withoutLeadingOnes(List<Long> shape) {
        int first = 0;
        while (first < shape.size() - 1 && shape.get(first) == 1) {
            first++;
        }
        return shape.subList(first, shape.size());
    }
}
