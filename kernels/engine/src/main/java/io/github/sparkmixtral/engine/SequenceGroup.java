package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.engine.Completion.Usage;
import io.github.sparkmixtral.grammar.Constraint;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.List;

/** One request and its {@code n} sequences. */
final class SequenceGroup {
    private static final int NOT_ADMITTED = -1;

    private final Request request;
    private final int[] endTokens;
    private final int[] bannedAtFirst;
    private final int maxLength;
    private final long drawKey;
    private final List<Sequence> sequences = new ArrayList<>();
    private int cachedTokens = NOT_ADMITTED;

    /**
     * @param maxLength longest sequence, in tokens; longer than the prompt
     * @param firstArrival arrival of the first of the sequences; the others follow
     */
    SequenceGroup(Request request, Tokenizer tokenizer, List<Integer> eosTokenIds, int maxLength, long firstArrival) {
        SamplingParameters parameters = request.parameters();
        this.request = request;
        this.maxLength = maxLength;
        List<Integer> ends = new ArrayList<>(parameters.stopTokenIds());
        if (!parameters.ignoreEos()) {
            ends.addAll(eosTokenIds);
        }
        List<Integer> banned = new ArrayList<>(parameters.stopTokenIds());
        banned.addAll(eosTokenIds);
        endTokens = ends.stream().mapToInt(Integer::intValue).distinct().toArray();
        bannedAtFirst = banned.stream().mapToInt(Integer::intValue).distinct().toArray();
        drawKey = Draws.key(parameters.seed(), request.customId());
        for (int index = 0; index < parameters.n(); index++) {
            OutputText text = new OutputText(tokenizer.decoder(request.leadingSpace()), parameters.stop());
            sequences.add(new Sequence(this, index, firstArrival + index, text, constrained(request, tokenizer)));
        }
    }

    private static Constraint.Text constrained(Request request, Tokenizer tokenizer) {
        if (request.constraint() == null) {
            return null;
        }
        boolean answer = request.leadingSpace() == Tokenizer.LeadingSpace.STRIP;
        Constraint.Text text = request.constraint().begin(answer && tokenizer.stripsLeadingSpace());
        if (!text.append(request.begun())) {
            throw new IllegalArgumentException("no text of the constraint begins with '" + request.begun() + "'");
        }
        return text;
    }

    Request request() {
        return request;
    }

    List<Sequence> sequences() {
        return sequences;
    }

    int maxLength() {
        return maxLength;
    }

    /** See {@link Draws}. */
    long drawKey() {
        return drawKey;
    }

    /** Tokens that end a sequence. */
    int[] endTokens() {
        return endTokens;
    }

    /** Tokens that may not be drawn for the first {@code min_tokens} positions. */
    int[] bannedAtFirst() {
        return bannedAtFirst;
    }

    /** Whether the token ends a sequence. */
    boolean ends(int token) {
        for (int end : endTokens) {
            if (end == token) {
                return true;
            }
        }
        return false;
    }

    /** Notes how many tokens the first admitted sequence found in the cache. Its siblings, and itself when it comes back, find their own. */
    void admitted(int tokensFound) {
        if (cachedTokens == NOT_ADMITTED) {
            cachedTokens = tokensFound;
        }
    }

    boolean finished() {
        return !request.generates() || sequences.stream().allMatch(Sequence::finished);
    }

    Completion completion() {
        int generated = sequences.stream().mapToInt(Sequence::outputLength).sum();
        Usage usage = new Usage(request.promptTokens().length, generated, cachedTokens);
        return new Completion(
                request.id(),
                request.generates() ? sequences.stream().map(Sequence::output).toList() : List.of(),
                sequences.getFirst().promptValues(),
                usage,
                null);
    }

    Completion failure(RequestError error) {
        int generated = sequences.stream().mapToInt(Sequence::outputLength).sum();
        Usage usage = new Usage(request.promptTokens().length, generated, cachedTokens);
        return new Completion(request.id(), List.of(), usage, error);
    }
}
