package io.github.sparkmixtral.job.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.job.cli.ProgressReporter.Done;
import org.junit.jupiter.api.Test;

class ProgressTest {
    private static final Done SOME = new Done(123, 2, 4_000, 560, 1_940);

    private static Progress some() {
        return new Progress(SOME, 1_000, "", 20);
    }

    @Test
    void aLineForALogHasEveryFigure() {
        assertThat(some().line())
                .isEqualTo(
                        "123 of 1,000 rows (12%), about 2 min left, 2 with errors, 97.0 tokens/s, 14% of prompts cached");
    }

    @Test
    void whatIsNotThereIsNotTold() {
        Progress embeddings = new Progress(new Done(999, 0, 0, 0, 0), 1_000, "", 999);
        assertThat(embeddings.line()).isEqualTo("999 of 1,000 rows (99%), about 1 s left, 0.0 tokens/s");
    }

    @Test
    void theFirstRowsDoNotTellTheTimeThatIsLeft() {
        assertThat(new Progress(new Done(9, 0, 0, 0, 90), 100, "", 9).line())
                .isEqualTo("9 of 100 rows (9%), 10.0 tokens/s");
        assertThat(new Progress(new Done(10, 0, 0, 0, 90), 100, "", 9).line()).contains("about 81 s left");
        assertThat(new Progress(new Done(99, 0, 0, 0, 90), 1_000_000, "", 9).line())
                .doesNotContain("left");
        assertThat(new Progress(new Done(100, 0, 0, 0, 90), 1_000_000, "", 9).line())
                .contains("about 25.0 h left");
    }

    @Test
    void beforeTheFirstRowItSaysWhatGoesOn() {
        Progress none = new Progress(Done.NOTHING, 1_000, "loading the model", 12.3);
        assertThat(none.line()).isEqualTo("0 of 1,000 rows: loading the model, 12 s");
        assertThat(none.bar(80)).isEqualTo(none.line());
    }

    @Test
    void aNarrowTerminalGetsFewerFiguresAndThenNoBar() {
        assertThat(some().bar(120))
                .isEqualTo(
                        "123 of 1,000 rows (12%) [==>                     ] about 2 min left, 2 with errors, 97.0 tokens/s,"
                                + " 14% of prompts cached");
        assertThat(some().bar(80))
                .isEqualTo("123 of 1,000 rows (12%) [==>                   ] about 2 min left, 2 with errors");
        assertThat(some().bar(60)).isEqualTo("123 of 1,000 rows (12%) [==>              ] about 2 min left");
        assertThat(some().bar(30)).isEqualTo("123 of 1,000 rows (12%)");
    }

    @Test
    void noBarIsLongerThanTheTerminalIsWide() {
        for (int columns = 24; columns < 300; columns++) {
            assertThat(some().bar(columns)).hasSizeLessThanOrEqualTo(columns);
        }
    }

    @Test
    void theBarIsFullWithTheLastRow() {
        assertThat(new Progress(new Done(10, 0, 0, 0, 0), 10, "", 1).bar(40)).startsWith("10 of 10 rows (100%)");
        assertThat(new Progress(new Done(10, 0, 0, 0, 0), 10, "", 1).bar(100)).contains("[" + "=".repeat(40) + "]");
        assertThat(new Progress(new Done(9, 0, 0, 0, 0), 10, "", 1).bar(100)).contains("=> ");
    }
}
