package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.engine.BlockPool.PrefixReuse;
import io.github.sparkmixtral.engine.Sampler.Needed;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.util.List;
import java.util.Optional;

/**
 * Continuous batching: requests come in at any time, every {@link #step} advances all that run, and each is handed out as soon
 * as it is complete. One thread.
 */
public final class Engine {
    private final Backend backend;
    private final Tokenizer tokenizer;
    private final List<Integer> eosTokenIds;
    private final EngineLimits limits;
    private final Scheduler scheduler;
    private final Sampler sampler;
    private long arrivals;
    private StepTimes times = StepTimes.NONE;
    private long lastStep = System.nanoTime();

    /**
     * @param backend stays the caller's, who closes it after the last step
     * @param eosTokenIds tokens that end a generation
     * @param maxModelLength longest sequence, prompt and output together, in tokens; 0 for as long as the model and the cache allow
     */
    public Engine(Backend backend, Tokenizer tokenizer, List<Integer> eosTokenIds, int maxModelLength) {
        this(backend, tokenizer, eosTokenIds, maxModelLength, PrefixReuse.ON);
    }

    Engine(
            Backend backend,
            Tokenizer tokenizer,
            List<Integer> eosTokenIds,
            int maxModelLength,
            PrefixReuse prefixReuse) {
        this.backend = backend;
        this.tokenizer = tokenizer;
        this.eosTokenIds = List.copyOf(eosTokenIds);
        this.limits =
                new EngineLimits(backend.vocabularySize(), backend.hiddenSize(), longest(backend, maxModelLength));
        BlockPool pool = new BlockPool(backend.cacheBlocks(), backend.blockSize(), prefixReuse);
        scheduler = new Scheduler(backend.maxSequences(), backend.maxBatchTokens(), pool);
        sampler = new Sampler(backend.vocabularySize());
    }

    private static int longest(Backend backend, int maxModelLength) {
        long cacheTokens = (long) backend.cacheBlocks() * backend.blockSize();
        long longest = Math.min(backend.maxPositions(), cacheTokens);
        return Math.toIntExact(maxModelLength > 0 ? Math.min(longest, maxModelLength) : longest);
    }

    /** What it takes; may be asked by any thread. The longest sequence is the least of what the model, the cache and the caller allow. */
    public EngineLimits limits() {
        return limits;
    }

    /**
     * Takes a request.
     *
     * @throws IllegalArgumentException where it could never run, naming what is wrong with it: an id that is already there, an
     *     empty prompt, one that leaves no room for an answer, or token ids outside of the vocabulary
     */
    public void add(Request request) {
        limits.checkPrompt(request.promptTokens(), request.generates());
        limits.checkParameters(request.parameters());
        scheduler.add(new SequenceGroup(request, tokenizer, eosTokenIds, limits.maxModelLength(), arrivals));
        arrivals += request.parameters().n();
    }

    /** Forgets a request, which is then not completed; unknown ids are ignored. */
    public void cancel(String id) {
        scheduler.cancel(id);
    }

    /**
     * What the text of a request's first output has grown by, and keeps whatever follows.
     *
     * @param from how much of the text is known already, in characters
     * @return empty for unknown ids, such as those of complete requests
     */
    public Optional<String> growth(String id, int from) {
        return Optional.ofNullable(scheduler.first(id)).map(sequence -> sequence.settled(from));
    }

    /** Whether a {@link #step} would do anything. */
    public boolean hasWork() {
        return scheduler.hasWork();
    }

    /** Sequences that hold cache blocks. */
    public int running() {
        return scheduler.running().size();
    }

    /** Sequences that wait for cache blocks. */
    public int waiting() {
        return scheduler.waiting();
    }

    /** Tokens generated since the beginning. */
    public long generatedTokens() {
        return scheduler.generatedTokens();
    }

    /** What it has done and does. */
    public EngineCounters counters() {
        BlockPool pool = scheduler.pool();
        return new EngineCounters(
                scheduler.promptTokens(),
                scheduler.generatedTokens(),
                scheduler.preemptions(),
                scheduler.running().size(),
                scheduler.waiting(),
                backend.maxSequences(),
                pool.blocks() - pool.freeBlocks(),
                pool.blocks(),
                times,
                lastStep);
    }

    /**
     * Advances every running sequence.
     *
     * @return the requests that are now complete
     */
    public List<Completion> step() {
        long start = System.nanoTime();
        long promptTokens = scheduler.promptTokens();
        long generatedTokens = scheduler.generatedTokens();
        Plan plan = scheduler.schedule();
        if (plan.isEmpty()) {
            return List.of();
        }
        Samples samples = sampler.sample(plan, logits(plan));
        boolean pools = !plan.pooled().isEmpty();
        List<Completion> completions =
                scheduler.update(plan, samples, pools ? backend.hidden() : null, pools ? backend.hiddenSize() : 0);
        lastStep = System.nanoTime();
        times = times.plus(
                scheduler.promptTokens() - promptTokens,
                scheduler.generatedTokens() - generatedTokens,
                (lastStep - start) / 1e9);
        return completions;
    }

    private Logits logits(Plan plan) {
        Needed needed = sampler.needed(plan);
        int rows = plan.batch().logitRows().length;
        return rows > 0 && needed.whole().cardinality() == rows
                ? new AllLogits(backend.vocabularySize(), backend.forward(plan.batch()))
                : backend.top(plan.batch(), sampler.wanted(plan, needed));
    }

    Scheduler scheduler() {
        return scheduler;
    }
}
