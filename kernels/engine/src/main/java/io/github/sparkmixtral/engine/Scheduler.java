package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.engine.BlockPool.Admission;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.engine.Completion.TokenLogprobs;
import io.github.sparkmixtral.engine.Plan.Reading;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * Decides what each step computes. There is no prefill phase and no decode phase: every sequence has a number of computed
 * tokens that catches up with its number of tokens, under one budget of tokens per step; a long prompt falls into chunks by
 * itself (unified scheduling, as in vLLM's V1 scheduler; chunked prefill after Agrawal et al., Sarathi-Serve, OSDI 2024).
 *
 * <p>First come, first served: running sequences before waiting ones, each in the order of arrival. A waiting sequence is
 * admitted when the cache has blocks for all its tokens, so that what has begun to run seldom has to make way. Where a
 * running one needs a block and none is free, the newest running one is preempted: it loses its blocks, keeps its output, and is
 * computed again later, which changes no result. The oldest can always take what it needs, so that every step advances.
 *
 * <p>Pure: no thread, no clock, no backend.
 */
final class Scheduler {
    private static final RequestError NO_DISTRIBUTION = new RequestError(
            "invalid_logits",
            "the model gave logits that are not finite numbers for this prompt: its weights may be damaged, or overflow in their format",
            false);

    private final int maxSequences;
    private final int maxBatchTokens;
    private final BlockPool pool;
    private final Map<String, SequenceGroup> groups = new HashMap<>();
    private final TreeSet<Sequence> waiting = new TreeSet<>(Comparator.comparingLong(sequence -> sequence.arrival));
    private final List<Sequence> running = new ArrayList<>();
    private long promptTokens;
    private long generatedTokens;
    private long preemptions;

    /**
     * @param maxSequences most sequences in one step
     * @param maxBatchTokens most tokens in one step
     */
    Scheduler(int maxSequences, int maxBatchTokens, BlockPool pool) {
        this.maxSequences = maxSequences;
        this.maxBatchTokens = maxBatchTokens;
        this.pool = pool;
    }

    /** Takes a request whose sequences fit into the empty cache at their longest. */
    void add(SequenceGroup group) {
        if (Math.ceilDiv(group.maxLength(), pool.blockSize()) > pool.blocks()) {
            throw new IllegalArgumentException(
                    "a sequence of " + group.maxLength() + " tokens does not fit into a cache of " + pool.blocks()
                            + " blocks of " + pool.blockSize() + " tokens");
        }
        if (groups.putIfAbsent(group.request().id(), group) != null) {
            throw new IllegalArgumentException(
                    "a request with the id '" + group.request().id() + "' is already there");
        }
        waiting.addAll(group.sequences());
    }

    /** Forgets a request; unknown ids are ignored. */
    void cancel(String id) {
        SequenceGroup group = groups.get(id);
        if (group != null) {
            remove(group);
        }
    }

    /** The first sequence of a request; null for unknown ids. */
    Sequence first(String id) {
        SequenceGroup group = groups.get(id);
        return group == null ? null : group.sequences().getFirst();
    }

    boolean hasWork() {
        return !groups.isEmpty();
    }

    BlockPool pool() {
        return pool;
    }

    /** Sequences that hold blocks, in the order of their arrival; a live view. */
    List<Sequence> running() {
        return Collections.unmodifiableList(running);
    }

    int waiting() {
        return waiting.size();
    }

    /** Tokens of prompts computed since the beginning. */
    long promptTokens() {
        return promptTokens;
    }

    /** Tokens sampled since the beginning. */
    long generatedTokens() {
        return generatedTokens;
    }

    /** How often a sequence had to make way since the beginning. */
    long preemptions() {
        return preemptions;
    }

    /** The next step; empty only when there is no work. */
    Plan schedule() {
        BatchBuilder batch = new BatchBuilder(pool.blockSize());
        long preemptionsBefore = preemptions;
        int budget = scheduleRunning(batch, maxBatchTokens);
        if (preemptions == preemptionsBefore) {
            scheduleWaiting(batch, budget);
        }
        return batch.build();
    }

    private int scheduleRunning(BatchBuilder batch, int budget) {
        int left = budget;
        for (int i = 0; i < running.size() && left > 0; i++) {
            Sequence sequence = running.get(i);
            int count = Math.min(sequence.missing(), left);
            if (makeRoom(sequence, sequence.computed + count)) {
                left -= batch.add(sequence, count);
            }
        }
        return left;
    }

    /** Gets the sequence blocks for {@code length} tokens at the cost of newer ones; false where it is itself the newest, and had to go. */
    private boolean makeRoom(Sequence sequence, int length) {
        while (!pool.grow(sequence.table, length)) {
            Sequence newest = running.removeLast();
            preempt(newest);
            if (newest == sequence) {
                return false;
            }
        }
        return true;
    }

    private void preempt(Sequence sequence) {
        pool.release(sequence.table);
        sequence.computed = 0;
        waiting.add(sequence);
        preemptions++;
    }

    private void scheduleWaiting(BatchBuilder batch, int budget) {
        int left = budget;
        // Sequences that wait for a prefix let others past, but not the whole queue, so that a step costs the same
        // however long it is.
        int lookAhead = maxSequences;
        Iterator<Sequence> candidates = waiting.iterator();
        while (candidates.hasNext() && left > 0 && running.size() < maxSequences && lookAhead-- > 0) {
            Sequence sequence = candidates.next();
            Admission admission = pool.admit(sequence.table, sequence.tokens(), sequence.length(), sequence.reusable());
            if (admission == Admission.FULL) {
                return;
            }
            if (admission == Admission.ADMITTED) {
                candidates.remove();
                sequence.computed = sequence.table.known * pool.blockSize();
                sequence.group.admitted(sequence.computed);
                insertByArrival(sequence);
                left -= batch.add(sequence, left);
            }
        }
    }

    private void insertByArrival(Sequence sequence) {
        int index = running.size();
        while (index > 0 && running.get(index - 1).arrival > sequence.arrival) {
            index--;
        }
        running.add(index, sequence);
    }

    /**
     * Takes the result of a step.
     *
     * @param hidden {@code [plan.pooled().size(), hiddenSize]}; not looked at if nothing is pooled
     * @return the requests that it completed
     */
    List<Completion> update(Plan plan, Samples samples, float[] hidden, int hiddenSize) {
        int[] starts = plan.batch().sequenceStarts();
        for (int s = 0; s < plan.sequences().size(); s++) {
            Sequence sequence = plan.sequences().get(s);
            int computed = sequence.computed + starts[s + 1] - starts[s];
            promptTokens += Math.max(0, Math.min(computed, sequence.promptLength()) - sequence.computed);
            sequence.computed = computed;
            pool.computed(sequence.table, sequence.tokens(), sequence.computed);
        }
        List<Completion> completions = new ArrayList<>();
        for (int i = 0; i < plan.scored().size(); i++) {
            Reading read = plan.scored().get(i);
            TokenLogprobs logprobs = samples.scored()[i];
            if (logprobs != null) {
                read.sequence().score(logprobs);
            } else {
                fail(read.sequence().group, completions);
            }
        }
        for (Reading read : plan.pooled()) {
            if (!read.sequence().pool(hidden, read.row() * hiddenSize, hiddenSize)) {
                fail(read.sequence().group, completions);
            }
        }
        for (Sequence sequence : plan.sequences()) {
            if (sequence.isRead() && isHere(sequence.group)) {
                remove(sequence.group);
                completions.add(sequence.group.completion());
            }
        }
        for (int row = 0; row < plan.sampled().size(); row++) {
            Sequence sequence = plan.sampled().get(row);
            SequenceGroup group = sequence.group;
            if (!isHere(group)) {
                continue; // a sibling, or the prompt, has just failed
            }
            if (samples.tokens()[row] == Samples.NO_TOKEN) {
                remove(group);
                completions.add(group.failure(sequence.error() == null ? NO_DISTRIBUTION : sequence.error()));
                continue;
            }
            if (accept(sequence, samples.tokens()[row], samples.logprobs()[row])) {
                retire(sequence);
                if (group.finished()) {
                    groups.remove(group.request().id());
                    completions.add(group.completion());
                }
            }
        }
        return completions;
    }

    /** Ends a group whose prompt cannot be read, unless it has ended. */
    private void fail(SequenceGroup group, List<Completion> completions) {
        if (isHere(group)) {
            remove(group);
            completions.add(group.failure(NO_DISTRIBUTION));
        }
    }

    private boolean isHere(SequenceGroup group) {
        return groups.get(group.request().id()) == group;
    }

    /** Takes a token, and all that follow from it: they are computed together in the next step. */
    private boolean accept(Sequence sequence, int sampled, TokenLogprobs logprobs) {
        generatedTokens++;
        boolean ended = sequence.accept(sampled, logprobs);
        while (!ended && sequence.forced() != Samples.NO_TOKEN) {
            generatedTokens++;
            ended = sequence.accept(sequence.forced(), null);
        }
        return ended;
    }

    private void remove(SequenceGroup group) {
        groups.remove(group.request().id());
        group.sequences().forEach(this::retire);
    }

    private void retire(Sequence sequence) {
        if (running.remove(sequence)) {
            pool.release(sequence.table);
        } else {
            waiting.remove(sequence);
        }
    }
}
