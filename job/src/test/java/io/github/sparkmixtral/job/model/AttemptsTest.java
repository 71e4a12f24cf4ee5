package io.github.sparkmixtral.job.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class AttemptsTest {
    private final List<String> lines = new ArrayList<>();
    private int runs;

    private void run(int failures) throws IOException {
        new Attempts(_ -> {}, lines::add).run("model.gguf", () -> 0, () -> {
            if (runs++ < failures) {
                throw new IllegalStateException("block 7 should have been available");
            }
        });
    }

    @Test
    void aStreamThatThrowsSomethingElseIsReadAgain() throws Exception {
        run(2);
        assertThat(runs).isEqualTo(3);
        assertThat(lines).hasSize(2).allMatch(line -> line.contains("block 7 should have been available"));
    }

    @Test
    void butNotForEver() {
        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> run(100))
                .withMessage("block 7 should have been available");
        assertThat(runs).isEqualTo(Attempts.MOST);
    }
}
