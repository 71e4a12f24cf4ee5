package io.github.sparkmixtral.model;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.StoredTensor;
import io.github.sparkmixtral.tensor.Tensor;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** The stored tensors of one model, and which of them its weights were made of. */
final class Tensors {
    private final String source;
    private final Map<String, StoredTensor> byName;
    private final Set<String> used = new HashSet<>();

    Tensors(String source, Map<String, StoredTensor> byName) {
        this.source = source;
        this.byName = byName;
    }

    boolean has(String name) {
        return byName.containsKey(name);
    }

    /** The tensor of that name; a model without it cannot run. */
    StoredTensor required(String name) {
        StoredTensor tensor = byName.get(name);
        if (tensor == null) {
            throw new ModelException(
                    "%s has no tensor %s, which the model needs: files are missing, or it is no Mixtral"
                            .formatted(source, name));
        }
        used.add(name);
        return tensor;
    }

    /** The tensor of that name, which then counts as used. */
    Optional<StoredTensor> find(String name) {
        return has(name) ? Optional.of(required(name)) : Optional.empty();
    }

    Tensor matrix(String name, int rows, int columns) {
        return required(name).matrix(rows, columns);
    }

    /** Names that nobody asked for, sorted. */
    List<String> unused() {
        return byName.keySet().stream()
                .filter(name -> !used.contains(name))
                .sorted()
                .toList();
    }
}
