package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendContractTest;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.model.Model;
import org.assertj.core.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;

class Bfloat16BackendTest extends BackendContractTest {

    @BeforeAll
    static void libraryIsThere() {
        Assumptions.assumeThat(new Bfloat16BackendProvider().unavailable()).isEmpty();
    }

    @Override
    protected Backend open(Model model, BackendOptions options) {
        return new Bfloat16BackendProvider().open(model, options);
    }

    @Override
    protected float tolerance() {
        return 0;
    }
}
