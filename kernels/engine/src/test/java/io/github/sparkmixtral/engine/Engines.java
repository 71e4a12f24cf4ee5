package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.engine.BlockPool.PrefixReuse;
import io.github.sparkmixtral.testkit.FakeBackend;
import io.github.sparkmixtral.testkit.TinyTokenizer;
import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Runs requests through engines. */
final class Engines {
    private Engines() {}

    static Engine of(Backend backend) {
        return of(backend, PrefixReuse.ON);
    }

    static Engine of(Backend backend, PrefixReuse reuse) {
        return new Engine(backend, TinyTokenizer.INSTANCE, List.of(TinyTokenizer.EOS), 0, reuse);
    }

    static Request request(String id, int[] prompt, SamplingParameters parameters) {
        return new Request(id, prompt, parameters, LeadingSpace.STRIP);
    }

    /** A prompt of {@code length} tokens that depends on the seed. */
    static int[] prompt(long seed, int length) {
        return IntStream.range(0, length)
                .map(i -> i == 0
                        ? TinyTokenizer.BOS
                        : 3 + (int) Long.remainderUnsigned(Draws.mix(seed * 1000 + i), TinyTokenizer.SIZE - 3))
                .toArray();
    }

    /** All completions by id; fails where one comes twice or never. */
    static Map<String, Completion> run(Engine engine, List<Request> requests) {
        requests.forEach(engine::add);
        Map<String, Completion> completions = new HashMap<>();
        for (int step = 0; engine.hasWork(); step++) {
            if (step > 200_000) {
                throw new AssertionError("the engine does not come to an end");
            }
            for (Completion completion : engine.step()) {
                if (completions.put(completion.id(), completion) != null) {
                    throw new AssertionError("completed twice: " + completion.id());
                }
            }
            checkInvariants(engine.scheduler());
        }
        if (completions.size() != requests.size()) {
            throw new AssertionError("completions: " + completions.keySet());
        }
        return completions;
    }

    /** Every request in an engine of its own, with nothing beside it. */
    static Map<String, Completion> runAlone(List<Request> requests) {
        Map<String, Completion> completions = new HashMap<>();
        for (Request request : requests) {
            Engine engine = of(new FakeBackend(FakeBackend.Size.AMPLE), PrefixReuse.OFF);
            completions.putAll(run(engine, List.of(request)));
        }
        return completions;
    }

    /** No block leaked, none owned by two that do not share it, none too many. */
    static void checkInvariants(Scheduler scheduler) {
        BlockPool pool = scheduler.pool();
        int[] held = new int[pool.blocks()];
        long lastArrival = -1;
        for (Sequence sequence : scheduler.running()) {
            check(sequence.arrival > lastArrival, "running sequences out of order");
            lastArrival = sequence.arrival;
            check(sequence.computed < sequence.length(), "a sequence with nothing to compute");
            check(
                    sequence.table.size() >= Math.ceilDiv(sequence.computed, pool.blockSize()),
                    "a table that does not cover what is computed");
            for (int i = 0; i < sequence.table.size(); i++) {
                held[sequence.table.block(i)]++;
            }
        }
        int free = 0;
        for (int block = 0; block < held.length; block++) {
            check(held[block] == pool.references(block), "block " + block + " has the wrong number of references");
            free += held[block] == 0 ? 1 : 0;
        }
        check(free == pool.freeBlocks(), "leaked blocks: " + (free - pool.freeBlocks()));
    }

    private static void check(boolean holds, String message) {
        if (!holds) {
            throw new AssertionError(message);
        }
    }

    /** What of a completion may not depend on what else runs: everything but how many tokens were found in the cache. */
    static String essence(Completion completion) {
        StringBuilder text = new StringBuilder();
        text.append(completion.id()).append(' ').append(completion.error());
        if (completion.usage() != null) {
            text.append(completion.usage().promptTokens())
                    .append('+')
                    .append(completion.usage().completionTokens());
        }
        for (Completion.Output output : completion.outputs()) {
            text.append('\n').append(output.index()).append(' ').append(output.finishReason());
            text.append(' ')
                    .append(Arrays.toString(output.tokenIds()))
                    .append(' ')
                    .append(output.text());
            for (Completion.TokenLogprobs logprobs : output.logprobs()) {
                text.append('\n').append(logprobs.tokenId()).append(' ').append(logprobs.logprob());
                text.append(Arrays.toString(logprobs.topTokenIds())).append(Arrays.toString(logprobs.topLogprobs()));
            }
        }
        return text.toString();
    }
}
