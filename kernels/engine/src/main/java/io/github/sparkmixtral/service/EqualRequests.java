package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.Completion;
import io.github.sparkmixtral.engine.Completion.PromptValues;
import io.github.sparkmixtral.engine.PromptReading;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.engine.Request.Ending;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.service.Exchange.Ticket;
import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The requests that the engine has, so that those whose answers must be equal are computed once: equal prompts and parameters, and
 * either no draws (greedy) or the same ones. An answer is remembered for later requests until newer ones have taken its place. One
 * thread at a time.
 */
final class EqualRequests {
    /** Tokens and alternatives that are remembered: about 20 MB. */
    private static final long MOST_REMEMBERED = 1 << 20;

    /** What remembering a choice's score costs beside its tokens. */
    private static final int CHOICE_SIZE = 32;

    private final Map<Key, Waiting> waiting = new HashMap<>();
    private final Map<String, Waiting> byId = new HashMap<>();

    /** Last used last. */
    private final LinkedHashMap<Key, Completion> remembered = new LinkedHashMap<>(16, 0.75f, true);

    private long size;

    /**
     * What decides an answer.
     *
     * @param customId null where nothing is drawn
     * @param parameters with the seed 0 where nothing is drawn
     */
    private record Key(
            String customId,
            IntBuffer prompt,
            SamplingParameters parameters,
            LeadingSpace leadingSpace,
            Ending ending,
            PromptReading reading) {

        static Key of(Request request) {
            SamplingParameters parameters = request.parameters();
            boolean greedy = parameters.greedy();
            return new Key(
                    greedy ? null : request.customId(),
                    IntBuffer.wrap(request.promptTokens()),
                    greedy ? parameters.withSeed(0) : parameters,
                    request.leadingSpace(),
                    request.ending(),
                    request.reading());
        }
    }

    /** Who waits for one answer; the first one's request is the engine's. */
    private record Waiting(Key key, String id, List<Ticket> tickets) {}

    /** The answer to an equal request, as a request that costs nothing gets it; null where there is none. */
    Completion known(Request request) {
        Completion completion = remembered.get(Key.of(request));
        if (completion == null) {
            return null;
        }
        int promptTokens = completion.usage().promptTokens();
        return new Completion(
                request.id(),
                completion.outputs(),
                completion.prompt(),
                new Completion.Usage(promptTokens, completion.usage().completionTokens(), promptTokens),
                null);
    }

    /** Lets a request wait for its answer: true if the engine has to compute it, false if it computes an equal one. */
    boolean add(Ticket ticket) {
        Key key = Key.of(ticket.request());
        Waiting equal = waiting.get(key);
        if (equal != null) {
            equal.tickets().add(ticket);
            return false;
        }
        Waiting first = new Waiting(key, ticket.request().id(), new ArrayList<>(List.of(ticket)));
        waiting.put(key, first);
        byId.put(first.id(), first);
        return true;
    }

    /** Ends the wait for an answer: who gets it, at least one. */
    List<Ticket> completed(Completion completion) {
        Waiting ended = byId.remove(completion.id());
        waiting.remove(ended.key());
        if (completion.error() == null) {
            remember(ended.key(), completion);
        }
        return ended.tickets();
    }

    private void remember(Key key, Completion completion) {
        if (remembered.putIfAbsent(key, completion) == null) {
            size += size(key, completion);
        }
        Iterator<Map.Entry<Key, Completion>> oldest = remembered.entrySet().iterator();
        while (size > MOST_REMEMBERED) {
            Map.Entry<Key, Completion> entry = oldest.next();
            size -= size(entry.getKey(), entry.getValue());
            oldest.remove();
        }
    }

    private static long size(Key key, Completion completion) {
        long alternatives = Math.max(0, key.parameters().logprobs());
        // The prompt of a choice is that of its row.
        int prompt =
                key.ending() == Ending.GENERATED ? CHOICE_SIZE : key.prompt().capacity();
        PromptValues read = completion.prompt();
        long values = read == null
                ? 0
                : (long) read.logprobs().size() * (1 + key.reading().alternatives())
                        + (read.embedding() == null ? 0 : read.embedding().length);
        return prompt + values + completion.usage().completionTokens() * (1 + alternatives);
    }

    /** Forgets those whose sessions are closed: the ids of requests that nobody waits for any more. */
    List<String> withoutReader() {
        List<String> ids = new ArrayList<>();
        byId.values().removeIf(one -> {
            one.tickets().removeIf(ticket -> ticket.place().closed());
            boolean alone = one.tickets().isEmpty();
            if (alone) {
                waiting.remove(one.key());
                ids.add(one.id());
            }
            return alone;
        });
        return ids;
    }
}
