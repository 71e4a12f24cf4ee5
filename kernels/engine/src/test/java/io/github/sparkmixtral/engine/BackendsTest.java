package io.github.sparkmixtral.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.github.sparkmixtral.model.Model;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class BackendsTest {
    private static final BackendProvider CPU = new Provider("cpu", 0, Optional.empty());
    private static final BackendProvider FAST = new Provider("fast", 10, Optional.empty());
    private static final BackendProvider BROKEN = new Provider("broken", 20, Optional.of("there is no such device"));

    private record Provider(String name, int rank, Optional<String> unavailable) implements BackendProvider {
        @Override
        public Backend open(Model model, BackendOptions options) {
            throw new UnsupportedOperationException();
        }
    }

    @Test
    void autoTakesTheAvailableOneOfHighestRank() {
        assertThat(Backends.find("auto", List.of(CPU, BROKEN, FAST))).isSameAs(FAST);
        assertThat(Backends.find("auto", List.of(BROKEN, CPU))).isSameAs(CPU);
    }

    @Test
    void tellsInOneLineWhichWereRefusedAndKeepsTheReasons() {
        Backends.Choice choice = Backends.choose(List.of(CPU, BROKEN, FAST));
        assertThat(choice.line()).isEqualTo("backend fast; refused: broken (--backend broken says why)");
        assertThat(choice.reasons()).containsExactly("broken: there is no such device");
        BackendProvider gone = new Provider("gone", 30, Optional.of("there is no driver"));
        assertThat(Backends.choose(List.of(CPU, BROKEN, gone)).line())
                .isEqualTo("backend cpu; refused: gone, broken (--backend with a name says why)");
        assertThat(Backends.choose(List.of(CPU)).line()).isEqualTo("backend cpu");
    }

    @Test
    void autoFailsWithAllReasonsWhereNoneIsAvailable() {
        assertThatIllegalStateException()
                .isThrownBy(() -> Backends.find("auto", List.of(BROKEN)))
                .withMessage("no backend can be used here: broken: there is no such device");
        assertThatIllegalStateException()
                .isThrownBy(() -> Backends.find("auto", List.of()))
                .withMessage("no backend can be used here: none is on the class path");
    }

    @Test
    void namedOneIsTakenOrRefusedAtOnce() {
        assertThat(Backends.find("cpu", List.of(CPU, FAST))).isSameAs(CPU);
        assertThatIllegalStateException()
                .isThrownBy(() -> Backends.find("broken", List.of(CPU, BROKEN)))
                .withMessage("the backend 'broken' cannot be used here: there is no such device");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Backends.find("gpu", List.of(CPU, BROKEN)))
                .withMessage("unknown backend 'gpu'; there are auto, broken, cpu");
    }

    @Test
    void findsTheCpuOnTheClassPath() {
        assertThat(Backends.names()).startsWith("auto").contains("cpu");
        assertThat(Backends.find("cpu").name()).isEqualTo("cpu");
        assertThat(Backends.find("auto").name()).isEqualTo("cpu");
    }
}
