package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.Completion;
import io.github.sparkmixtral.engine.Completion.Output;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.engine.Completion.TokenLogprobs;
import io.github.sparkmixtral.engine.Completion.Usage;
import io.github.sparkmixtral.engine.FinishReason;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.engine.Request.Ending;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.service.Exchange.Ticket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * The rows that want to know how likely each of their choices is. The sum of the log-probabilities of a choice's tokens, and of the one
 * that ends it, is the choice's, and the softmax over the choices its probability. The prompt is computed once: the others find it in
 * the cache. One thread at a time.
 *
 * <p>A row that is answered with one of its choices has, beside its own request, one for each choice, which writes it, each time with
 * the token that the model thinks likeliest. A row that is classified has no request of its own, but one for each choice behind the
 * prompt, in the tokens that the text has; its answer is the likeliest.
 */
final class ChoiceScores {
    /**
     * Most choices of a row. Each is a sequence of its own, and an engine runs some dozens to hundreds of sequences at a time: a row of
     * a thousand fills it several times over, while other rows wait.
     */
    static final int MOST = 1000;

    /** The rows that wait for one of their parts, by the part's id. */
    private final Map<String, Scored> waiting = new HashMap<>();

    /** A row, and what is known of its answer. */
    private static final class Scored {
        final Ticket row;
        final Map<String, Integer> choices = new HashMap<>();
        final double[] logprobs;
        Completion completion;
        boolean copied;
        int missing;

        /** The prompt's tokens that the choices found in the cache, at least; of a row that is classified. */
        int cachedTokens = Integer.MAX_VALUE;

        /** The first choice that has no probability, whichever was found out first, and why; null if all have. */
        int failed = Integer.MAX_VALUE;

        RequestError error;

        Scored(Ticket row) {
            this.row = row;
            logprobs = new double[row.request().constraint().choices().size()];
            Arrays.fill(logprobs, Double.NEGATIVE_INFINITY);
        }
    }

    /** Whether a row with this request wants to know how likely its choices are. */
    static boolean wanted(Request request) {
        return request.parameters().logprobs() >= 0
                && request.constraint() != null
                && !request.constraint().choices().isEmpty();
    }

    /** How many sequences a row needs, at most. */
    static int sequences(Ticket row) {
        Request request = row.request();
        return row.choices().isEmpty()
                ? request.parameters().n()
                        + (wanted(request) ? request.constraint().choices().size() : 0)
                : row.choices().size();
    }

    /**
     * Refuses more choices than a row may have.
     *
     * @param name of what has them
     * @throws IllegalArgumentException saying what to do
     */
    static void requireFew(String name, int choices) {
        if (choices > MOST) {
            throw new IllegalArgumentException(name + " has " + choices + " choices, but with logprobs there may be "
                    + MOST + " at most, for each is computed by itself: give fewer, or leave logprobs out");
        }
    }

    /** The requests that make up a row's answer: its own, and those for its choices. */
    List<Ticket> parts(Ticket row) {
        if (!row.choices().isEmpty()) {
            return classified(row);
        }
        if (!wanted(row.request())) {
            return List.of(row);
        }
        Scored scored = new Scored(row);
        List<Ticket> parts = new ArrayList<>(List.of(row));
        List<String> choices = row.request().constraint().choices();
        for (int i = 0; i < choices.size(); i++) {
            // What goes on otherwise than the primer can be no answer.
            if (choices.get(i).startsWith(row.request().begun())) {
                Request request = scoring(row.request(), i);
                scored.choices.put(request.id(), i);
                parts.add(new Ticket(row.place(), request, List.of()));
            }
        }
        return await(scored, parts);
    }

    private List<Ticket> classified(Ticket row) {
        Scored scored = new Scored(row);
        List<Ticket> parts = new ArrayList<>();
        for (Request choice : row.choices()) {
            scored.choices.put(choice.id(), parts.size());
            parts.add(new Ticket(row.place(), choice, List.of()));
        }
        return await(scored, parts);
    }

    private List<Ticket> await(Scored scored, List<Ticket> parts) {
        scored.missing = parts.size();
        parts.forEach(part -> waiting.put(part.request().id(), scored));
        return parts;
    }

    /** The id of the request for a row's choice. */
    static String partId(String row, int choice) {
        return row + "/" + choice;
    }

    private static Request scoring(Request row, int choice) {
        String text = row.constraint().choices().get(choice);
        // A token has a byte at least; one may be the space before the answer, and one is the end.
        int tokens = text.getBytes(StandardCharsets.UTF_8).length + 2;
        SamplingParameters parameters = new SamplingParameters(
                tokens,
                0,
                0,
                1,
                0,
                0,
                1,
                0,
                0,
                0,
                List.of(),
                List.of(),
                1,
                0,
                false,
                Map.of(),
                StructuredOutput.ofChoice(text),
                -1);
        return new Request(
                partId(row.id(), choice),
                row.customId(),
                row.promptTokens(),
                parameters,
                row.leadingSpace(),
                row.constraint().choice(choice),
                row.begun(),
                Ending.GENERATED,
                null);
    }

    /**
     * Takes what a part has led to.
     *
     * @return the row's answer; null as long as other parts are missing
     */
    Answer answer(Ticket part, Completion completion, boolean copied) {
        Scored scored = waiting.remove(part.request().id());
        if (scored == null) {
            return answer(part, completion, copied, null);
        }
        Integer choice = scored.choices.get(part.request().id());
        if (choice == null) {
            scored.completion = completion;
            scored.copied = copied;
        } else {
            score(scored, choice, completion);
        }
        if (--scored.missing > 0) {
            return null;
        }
        if (scored.completion == null) {
            scored.completion = likeliest(scored);
        }
        boolean failed = scored.completion.error() == null && scored.error != null;
        return answer(
                scored.row,
                failed
                        ? new Completion(scored.completion.id(), List.of(), scored.completion.usage(), scored.error)
                        : scored.completion,
                scored.copied,
                probabilities(scored.logprobs));
    }

    /** What a row that is classified has led to. */
    private static Completion likeliest(Scored scored) {
        Request row = scored.row.request();
        int best = 0;
        for (int choice = 1; choice < scored.logprobs.length; choice++) {
            best = scored.logprobs[choice] > scored.logprobs[best] ? choice : best;
        }
        String label = row.constraint().choices().get(best);
        Output output = new Output(0, label, new int[0], FinishReason.STOP, List.of());
        return new Completion(
                row.id(), List.of(output), new Usage(row.promptTokens().length, 0, scored.cachedTokens), null);
    }

    private static Answer answer(Ticket ticket, Completion completion, boolean copied, double[] probabilities) {
        return new Answer(
                ticket.place().row(),
                completion,
                ticket.request().parameters().seed(),
                copied,
                ticket.place().seconds(),
                ticket.request(),
                probabilities);
    }

    private static void score(Scored scored, int choice, Completion completion) {
        RequestError error = error(scored.row.request(), choice, completion);
        if (error == null) {
            boolean classified = completion.outputs().isEmpty();
            List<TokenLogprobs> tokens = classified
                    ? completion.prompt().logprobs()
                    : completion.outputs().getFirst().logprobs();
            scored.logprobs[choice] =
                    tokens.stream().mapToDouble(TokenLogprobs::logprob).sum();
            scored.cachedTokens =
                    Math.min(scored.cachedTokens, completion.usage().cachedTokens());
        } else if (choice < scored.failed) {
            scored.failed = choice;
            scored.error = error;
        }
    }

    /** Why a choice has no probability, which is then an error of its row; null if it has one. */
    private static RequestError error(Request row, int choice, Completion completion) {
        String name = "the choice '" + Json.shorten(row.constraint().choices().get(choice)) + "' ";
        RequestError error = completion.error();
        if (error != null) {
            return new RequestError(error.code(), name + "has no probability: " + error.message(), error.retryable());
        }
        return completion.outputs().isEmpty() || completion.outputs().getFirst().finishReason() == FinishReason.STOP
                ? null
                : new RequestError(
                        "context_length_exceeded",
                        name + "and its end do not fit behind the prompt's " + row.promptTokens().length
                                + " tokens, so that it has no probability: shorten the prompt, or leave logprobs out",
                        false);
    }

    /** Softmax. */
    private static double[] probabilities(double[] logprobs) {
        double most = Arrays.stream(logprobs).max().orElseThrow();
        double[] shares =
                Arrays.stream(logprobs).map(logprob -> Math.exp(logprob - most)).toArray();
        double sum = Arrays.stream(shares).sum();
        return IntStream.range(0, shares.length)
                .mapToDouble(i -> shares[i] / sum)
                .toArray();
    }

    /** Forgets rows whose sessions are closed. */
    void forgetClosed() {
        waiting.values().removeIf(scored -> scored.row.place().closed());
    }
}
