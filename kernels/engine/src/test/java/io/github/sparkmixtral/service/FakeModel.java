package io.github.sparkmixtral.service;

import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.testkit.TinyTokenizer;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.List;

/** What the fake backend runs. */
final class FakeModel {
    static final ModelDescription DESCRIPTION = of(TinyTokenizer.INSTANCE);

    private FakeModel() {}

    static ModelDescription of(Tokenizer tokenizer) {
        ModelConfig config = new ModelConfig(
                8,
                8,
                1,
                2,
                1,
                4,
                2,
                1,
                tokenizer.vocabularySize(),
                512,
                1e4,
                1e-5,
                0,
                RopeLayout.HALVES,
                tokenizer.bosTokenId(),
                List.of(tokenizer.eosTokenId()));
        return new ModelDescription(Path.of("fake"), "none", 0, 0, config, tokenizer);
    }
}
