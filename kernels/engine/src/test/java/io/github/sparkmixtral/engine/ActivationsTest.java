package io.github.sparkmixtral.engine;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.sparkmixtral.file.ModelException;
import org.junit.jupiter.api.Test;

class ActivationsTest {

    @Test
    void aBackendRefusesWhatItDoesNotKnow() {
        assertThatCode(() -> Activations.F32.requireOneOf("tornado", Activations.AUTO, Activations.F32))
                .doesNotThrowAnyException();
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> Activations.INT16.requireOneOf("tornado", Activations.AUTO, Activations.F32))
                .withMessage(
                        "--activations int16 is not for the backend tornado; leave the option out, or take --backend cpu");
    }
}
