package io.github.sparkmixtral.service;

import static io.github.sparkmixtral.service.Rows.prompt;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.github.sparkmixtral.engine.Parameters;
import io.github.sparkmixtral.service.CompletionService.AnswerText;
import io.github.sparkmixtral.service.CompletionService.Session;
import io.github.sparkmixtral.testkit.FakeBackend;
import io.github.sparkmixtral.testkit.FakeBackend.LanguageModel;
import io.github.sparkmixtral.testkit.FakeBackend.Size;
import io.github.sparkmixtral.testkit.TinyTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.complex.ListVector;
import org.apache.arrow.vector.complex.StructVector;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Answers that are read while they grow. */
@Timeout(60)
class AnswerTextTest {
    private static final Size SMALL = new Size(6, 48, 64, 512);

    private final RequestDefaults defaults = new RequestDefaults(Task.COMPLETE, null, Parameters.of(p -> {
        p.maxTokens = 24;
        p.ignoreEos = true;
    }));
    private final BufferAllocator allocator = new RootAllocator();
    private final CountDownLatch gate = new CountDownLatch(1);

    @AfterEach
    void nothingLeaked() {
        gate.countDown();
        allocator.close();
    }

    private static CompletionService start(LanguageModel model) {
        return CompletionService.start(
                FakeModel.DESCRIPTION, new FakeBackend(SMALL, model), new ServiceOptions(0, SMALL.maxSequences()));
    }

    private static List<String> pieces(AnswerText text) throws InterruptedException {
        List<String> pieces = new ArrayList<>();
        for (String piece = text.next(); !piece.isEmpty(); piece = text.next()) {
            pieces.add(piece);
        }
        return pieces;
    }

    private String answer(Session session) throws InterruptedException {
        try (VectorSchemaRoot completions = VectorSchemaRoot.create(session.schema(), allocator)) {
            assertThat(session.read(completions, 1)).isEqualTo(1);
            ListVector outputs = (ListVector) completions.getVector(RecordSchema.OUTPUTS);
            StructVector output = (StructVector) outputs.getDataVector();
            return ((VarCharVector) output.getChild(RecordSchema.TEXT))
                    .getObject(0)
                    .toString();
        }
    }

    /** Random tokens: words, bytes that are half a character, or none, control tokens. */
    @Test
    void piecesMakeTheAnswerWhateverTheTokensAndStopStrings() throws Exception {
        int inPieces = 0;
        int stopped = 0;
        try (CompletionService service = start(FakeBackend::pseudoRandom);
                Session session = service.open(defaults)) {
            for (int seed = 0; seed < 200; seed++) {
                String stop = List.of("\"cat\"", "\"a\", \"bc\", \"the c\"", "\" A\", \"\\uFFFDz\"")
                        .get(seed % 3);
                AnswerText text = session.stream(
                        seed, prompt("row", "the cat", "{\"seed\": " + seed + ", \"stop\": [" + stop + "]}"));
                List<String> pieces = pieces(text);
                String answer = answer(session);
                assertThat(String.join("", pieces)).as("seed %d", seed).isEqualTo(answer);
                inPieces += pieces.size() > 1 ? 1 : 0;
                stopped += answer.length() < 24 ? 1 : 0;
            }
        }
        // How many are seen before they end is a matter of time.
        assertThat(inPieces).isPositive();
        assertThat(stopped).isBetween(20, 199);
    }

    @Test
    void textIsThereBeforeTheAnswerEndsButForWhatMayBeginAStopString() throws Exception {
        int[] said = {TinyTokenizer.of("\u2581cat"), TinyTokenizer.of("EN"), TinyTokenizer.of("D\u2581")};
        RowRequest row = prompt("row", "a", "{\"stop\": [\"END\"]}");
        int[] prompt = new int[1];
        LanguageModel model = (history, logits, offset) -> {
            int done = history.length - prompt[0];
            if (done >= 2) {
                await();
            }
            Arrays.fill(logits, offset, offset + TinyTokenizer.SIZE, 0);
            logits[offset + said[Math.min(done, 2)]] = 50;
        };
        try (CompletionService service = start(model);
                Session session = service.open(defaults)) {
            prompt[0] = session.promptTokens(row).length;
            AnswerText text = session.stream(0, row);
            assertThat(text.next()).isEqualTo(" cat");
            gate.countDown();
            assertThat(text.next()).isEmpty();
            assertThat(answer(session)).isEqualTo(" cat");
        }
    }

    private void await() {
        try {
            gate.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void aRowThatIsRefusedHasNoText() throws Exception {
        try (CompletionService service = start(FakeBackend::pseudoRandom);
                Session session = service.open(defaults)) {
            assertThat(pieces(session.stream(0, prompt("row", "a", "{\"top_p\": 3}"))))
                    .isEmpty();
            assertThat(session.outstanding()).isEqualTo(1);
        }
    }

    @Test
    void anAnswerThatIsKnownComesAtOnce() throws Exception {
        try (CompletionService service = start(FakeBackend::pseudoRandom);
                Session session = service.open(defaults)) {
            String first = String.join("", pieces(session.stream(0, prompt("row", "a"))));
            assertThat(answer(session)).isEqualTo(first);
            assertThat(pieces(session.stream(1, prompt("row", "a")))).containsExactly(first);
        }
    }

    @Test
    void whoWaitsForTextHearsThatTheSessionIsClosed() throws Exception {
        LanguageModel gated = (history, logits, offset) -> {
            await();
            FakeBackend.pseudoRandom(history, logits, offset);
        };
        try (CompletionService service = start(gated)) {
            Session session = service.open(defaults);
            AnswerText text = session.stream(0, prompt("row", "a"));
            FutureTask<String> next = new FutureTask<>(text::next);
            Thread.ofVirtual().start(next);
            session.close();
            assertThatIllegalStateException()
                    .isThrownBy(() -> {
                        try {
                            next.get();
                        } catch (java.util.concurrent.ExecutionException e) {
                            throw e.getCause();
                        }
                    })
                    .withMessage("the session is closed");
            gate.countDown();
        }
    }

    @Test
    void theIdOfADrawIsThatOfTheSameAnswer() throws Exception {
        try (CompletionService service = start(FakeBackend::pseudoRandom);
                Session session = service.open(defaults)) {
            RowRequest unnamed = prompt(null, "the cat");
            String id = session.drawId(unnamed);
            String first = String.join("", pieces(session.stream(0, unnamed)));
            assertThat(String.join("", pieces(session.stream(1, prompt(id, "the cat")))))
                    .isEqualTo(first);
            assertThat(session.drawId(prompt("mine", "the cat"))).isEqualTo("mine");
        }
    }
}
