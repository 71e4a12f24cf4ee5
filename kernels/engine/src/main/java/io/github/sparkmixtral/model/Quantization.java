package io.github.sparkmixtral.model;

import io.github.sparkmixtral.tensor.TensorType;
import java.util.Optional;

/** To which type the matrices of an unquantized model are converted while it is loaded. */
public enum Quantization {
    /** Weights stay in their file, as they are. */
    NONE(Optional.empty()),
    /** 8.5 bits per weight: 32 weights share a scale in half precision. */
    Q8_0(Optional.of(TensorType.Q8_0)),
    /** 4.5 bits per weight. The head, the one matrix that every token's logits come from, gets {@link #Q8_0}. */
    Q4_0(Optional.of(TensorType.Q4_0)),
    /** 4.5 bits per weight, as bitsandbytes quantizes in NF4. The head gets {@link #Q8_0}. */
    NF4(Optional.of(TensorType.NF4));

    private final Optional<TensorType> type;

    Quantization(Optional<TensorType> type) {
        this.type = type;
    }

    /** What matrices become; empty for {@link #NONE}. */
    public Optional<TensorType> type() {
        return type;
    }
}
