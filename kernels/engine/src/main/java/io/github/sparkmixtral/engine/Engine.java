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
    private final int maxModelLength;
    private final Scheduler scheduler;
    private final Sampler sampler;
    private long arrivals;

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
        this.maxModelLength = longest(backend, maxModelLength);
        BlockPool pool = new BlockPool(backend.cacheBlocks(), backend.blockSize(), prefixReuse);
        scheduler = new Scheduler(backend.maxSequences(), backend.maxBatchTokens(), pool);
        sampler = new Sampler(backend.vocabularySize());
    }

    private static int longest(Backend backend, int maxModelLength) {
        long cacheTokens = (long) backend.cacheBlocks() * backend.blockSize();
        long longest = Math.min(backend.maxPositions(), cacheTokens);
        return Math.toIntExact(maxModelLength > 0 ? Math.min(longest, maxModelLength) : longest);
    }

    /** Width of a row of logits. */
    public int vocabularySize() {
        return backend.vocabularySize();
    }

    /** Width of a hidden state, and of an embedding. */
    public int hiddenSize() {
        return backend.hiddenSize();
    }

    /** Longest sequence, prompt and output together, in tokens: the least of what the model, the cache and the caller allow. */
    public int maxModelLength() {
        return maxModelLength;
    }

    /**
     * Takes a request.
     *
     * @throws IllegalArgumentException where it could never run, naming what is wrong with it: an id that is already there, an
     *     empty prompt, one that leaves no room for an answer, or token ids outside of the vocabulary
     */
    public void add(Request request) {
        checkPrompt(request.promptTokens(), request.generates());
        checkParameters(request.parameters());
        scheduler.add(new SequenceGroup(request, tokenizer, eosTokenIds, maxModelLength, arrivals));
        arrivals += request.parameters().n();
    }

    /**
     * Checks what {@link #add} would refuse of a prompt. May be called by any thread.
     *
     * @param generates whether an answer is wanted
     * @throws IllegalArgumentException where it is empty, too long, leaves no room for an answer, or is not in the vocabulary
     */
    public void checkPrompt(int[] promptTokens, boolean generates) {
        if (promptTokens.length == 0) {
            throw new IllegalArgumentException("the prompt has no tokens");
        }
        if (promptTokens.length + (generates ? 1 : 0) > maxModelLength) {
            throw new IllegalArgumentException("the prompt has " + promptTokens.length + " tokens, which "
                    + (generates ? "leaves no room for an answer" : "does not fit") + " in a context of "
                    + maxModelLength + " tokens");
        }
        for (int token : promptTokens) {
            checkToken("prompt", token);
        }
    }

    /**
     * Checks what {@link #add} would refuse of parameters. May be called by any thread.
     *
     * @throws IllegalArgumentException where a token id is not in the vocabulary
     */
    public void checkParameters(SamplingParameters parameters) {
        parameters.stopTokenIds().forEach(token -> checkToken("stop_token_ids", token));
        parameters.logitBias().keySet().forEach(token -> checkToken("logit_bias", token));
    }

    private void checkToken(String what, int token) {
        if (token < 0 || token >= backend.vocabularySize()) {
            throw new IllegalArgumentException(what + ": token " + token + " is not in the model's vocabulary of "
                    + backend.vocabularySize() + " tokens");
        }
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

    /**
     * Advances every running sequence.
     *
     * @return the requests that are now complete
     */
    public List<Completion> step() {
        Plan plan = scheduler.schedule();
        if (plan.isEmpty()) {
            return List.of();
        }
        Samples samples = sampler.sample(plan, logits(plan));
        boolean pools = !plan.pooled().isEmpty();
        return scheduler.update(plan, samples, pools ? backend.hidden() : null, pools ? backend.hiddenSize() : 0);
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
