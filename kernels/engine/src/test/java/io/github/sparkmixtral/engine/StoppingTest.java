package io.github.sparkmixtral.engine;

import static io.github.sparkmixtral.testkit.TinyTokenizer.EOS;
import static io.github.sparkmixtral.testkit.TinyTokenizer.of;
import static io.github.sparkmixtral.testkit.TinyTokenizer.ofByte;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.engine.Completion.Output;
import io.github.sparkmixtral.testkit.FakeBackend;
import io.github.sparkmixtral.testkit.FakeBackend.Size;
import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** Where an output ends, and what of it is text; with a model that recites a script. */
class StoppingTest {
    private static final int THE = of("\u2581the");
    private static final int CAT = of("\u2581cat");
    private static final int A = of("a");
    private static final int B = of("b");

    @Test
    void endOfSequenceEndsAndHasNoText() {
        Output output = recite(p -> {}, THE, CAT, EOS, THE);
        assertThat(output.text()).isEqualTo("the cat");
        assertThat(output.tokenIds()).containsExactly(THE, CAT, EOS);
        assertThat(output.finishReason()).isEqualTo(FinishReason.STOP);
    }

    @Test
    void endOfSequenceIsPassedOverWhereItIsToBeIgnored() {
        Output output = recite(
                p -> {
                    p.ignoreEos = true;
                    p.maxTokens = 4;
                },
                THE,
                EOS,
                CAT,
                THE);
        assertThat(output.text()).isEqualTo("the cat the");
        assertThat(output.tokenIds()).containsExactly(THE, EOS, CAT, THE);
        assertThat(output.finishReason()).isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void endOfSequenceAsLastTokenAllowedIsAStop() {
        Output output = recite(p -> p.maxTokens = 2, THE, EOS);
        assertThat(output.finishReason()).isEqualTo(FinishReason.STOP);
    }

    @Test
    void maxTokensEndsInTheMiddle() {
        Output output = recite(p -> p.maxTokens = 2, THE, CAT, THE);
        assertThat(output.text()).isEqualTo("the cat");
        assertThat(output.finishReason()).isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void stopTokenEndsAndHasNoText() {
        Output output = recite(p -> p.stopTokenIds = List.of(CAT), THE, A, CAT, THE);
        assertThat(output.text()).isEqualTo("thea");
        assertThat(output.tokenIds()).containsExactly(THE, A, CAT);
        assertThat(output.finishReason()).isEqualTo(FinishReason.STOP);
    }

    @Test
    void stopStringAcrossTokensIsCutOffAndItsTokensStay() {
        Output output = recite(p -> p.stop = List.of("END the"), A, of("EN"), of("D\u2581"), of("\u2581the"), CAT);
        // "aEND  the": the pieces "D " and " the" make two spaces, so that the stop string is not there.
        assertThat(output.text()).startsWith("aEND  the cat");
        output = recite(p -> p.stop = List.of("END  the"), A, of("EN"), of("D\u2581"), of("\u2581the"), CAT);
        assertThat(output.text()).isEqualTo("a");
        assertThat(output.tokenIds()).hasSize(4);
        assertThat(output.finishReason()).isEqualTo(FinishReason.STOP);
    }

    @Test
    void stopStringInTheMiddleOfATokenCutsItsEnd() {
        Output output = recite(p -> p.stop = List.of("ca"), THE, CAT, THE);
        assertThat(output.text()).isEqualTo("the ");
        assertThat(output.tokenIds()).containsExactly(THE, CAT);
    }

    @Test
    void earliestOfSeveralStopStringsCuts() {
        assertThat(recite(p -> p.stop = List.of("t", "cat", " c"), A, CAT).text())
                .isEqualTo("a");
        assertThat(recite(p -> p.stop = List.of("b", "aba"), A, of("ba")).text())
                .isEqualTo("");
    }

    @Test
    void stopStringThatOnlyBeginsIsText() {
        Output output = recite(p -> p.stop = List.of("abab!"), A, B, A, B, EOS);
        assertThat(output.text()).isEqualTo("abab");
    }

    @Test
    void stopStringOfCharactersThatCameAsBytesIsFound() {
        // U+00E9 is C3 A9 in UTF-8.
        Output output = recite(p -> p.stop = List.of("é"), A, ofByte(0xC3), ofByte(0xA9), B);
        assertThat(output.text()).isEqualTo("a");
        assertThat(output.tokenIds()).containsExactly(A, ofByte(0xC3), ofByte(0xA9));
    }

    @Test
    void characterCutShortIsShownAsSuch() {
        Output output = recite(p -> p.maxTokens = 2, A, ofByte(0xC3), ofByte(0xA9));
        assertThat(output.text()).isEqualTo("a\uFFFD");
    }

    @Test
    void nothingStopsBeforeMinTokens() {
        Output output = recite(
                p -> {
                    p.minTokens = 3;
                    p.stop = List.of("a");
                    p.stopTokenIds = List.of(CAT);
                },
                A,
                THE,
                A,
                A,
                THE);
        // The first three tokens are free of stops; the fourth is the first that may be one.
        assertThat(output.text()).isEqualTo("a thea");
        assertThat(output.tokenIds()).containsExactly(A, THE, A, A);
    }

    @Test
    void stopStringMayBeginBeforeMinTokensButNotEndThere() {
        Output output = recite(
                p -> {
                    p.minTokens = 2;
                    p.stop = List.of("ab");
                },
                B,
                A,
                B,
                THE);
        assertThat(output.text()).isEqualTo("b");
        assertThat(output.tokenIds()).containsExactly(B, A, B);
    }

    @Test
    void bannedTokensAreNotChosenBeforeMinTokens() {
        Output output = recite(p -> p.minTokens = 2, EOS, EOS, EOS);
        assertThat(output.tokenIds()).hasSize(3).endsWith(EOS);
        assertThat(output.tokenIds()[0]).isNotEqualTo(EOS);
        assertThat(output.tokenIds()[1]).isNotEqualTo(EOS);
    }

    @Test
    void continuationKeepsItsLeadingSpace() {
        Request request = new Request("a", new int[] {1, 5}, Parameters.greedy(2), LeadingSpace.KEEP);
        assertThat(run(request, THE, CAT).text()).isEqualTo(" the cat");
    }

    private static Output recite(Consumer<Parameters> change, int... script) {
        SamplingParameters parameters = Parameters.of(p -> {
            p.temperature = 0;
            p.maxTokens = 8;
            change.accept(p);
        });
        return run(new Request("a", new int[] {1, 5}, parameters, LeadingSpace.STRIP), script);
    }

    private static Output run(Request request, int... script) {
        FakeBackend backend = new FakeBackend(Size.AMPLE, FakeBackend.scripted(2, script));
        return Engines.run(Engines.of(backend), List.of(request))
                .get("a")
                .outputs()
                .getFirst();
    }
}
