package io.github.sparkmixtral.job.inference;

import io.github.sparkmixtral.service.Counters;
import java.util.Locale;
import java.util.function.ToLongFunction;

/** What an engine tells of itself while it runs. All of it adds up over engines. Called by its name in small letters. */
public enum EngineMetric {
    /** Rows that have an answer. */
    ROWS(true, Counters::completedRows),
    /** Rows that have an error. */
    ERRORS(true, Counters::failedRows),
    /** Prompt tokens of the answered rows, as {@code usage} has them. */
    PROMPT_TOKENS(true, Counters::promptTokens),
    /** Those of them that were found in the cache. */
    CACHED_TOKENS(true, Counters::cachedTokens),
    /** Tokens of the answers, as {@code usage} has them. */
    COMPLETION_TOKENS(true, Counters::completionTokens),
    /** Prompt tokens computed so far, for rows that are not answered yet, too. */
    COMPUTED_PROMPT_TOKENS(true, counters -> counters.engine().promptTokens()),
    /** Tokens generated so far, for rows that are not answered yet, too. */
    GENERATED_TOKENS(true, counters -> counters.engine().generatedTokens()),
    /** How often a sequence had to make way for others in the cache. */
    PREEMPTIONS(true, counters -> counters.engine().preemptions()),
    /** Sequences in the batch. */
    RUNNING_SEQUENCES(false, counters -> counters.engine().running()),
    /** Sequences that the batch has places for. */
    MAX_SEQUENCES(false, counters -> counters.engine().maxSequences()),
    /** Rows that wait for the engine, and sequences that wait for a place in its cache. */
    QUEUED(false, counters -> counters.queuedRows() + counters.engine().waiting()),
    /** Blocks of the cache that sequences hold. */
    USED_CACHE_BLOCKS(false, counters -> counters.engine().usedBlocks()),
    /** Blocks of the cache. */
    CACHE_BLOCKS(false, counters -> counters.engine().blocks());

    private final boolean counted;
    private final ToLongFunction<Counters> value;

    EngineMetric(boolean counted, ToLongFunction<Counters> value) {
        this.counted = counted;
        this.value = value;
    }

    /** Whether it only grows, so that it is of use as a rate; if not, it says how much there is at the moment. */
    public boolean isCounted() {
        return counted;
    }

    /** As it is called where it is shown. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Of values by the places of these constants. */
    public long of(long[] values) {
        return values[ordinal()];
    }

    /**
     * Adds what an engine tells.
     *
     * @param ended whether the engine is no more, so that it does nothing at the moment
     * @param sums by the places of these constants
     */
    static void add(Counters counters, boolean ended, long[] sums) {
        for (EngineMetric metric : values()) {
            if (metric.counted || !ended) {
                sums[metric.ordinal()] += metric.value.applyAsLong(counters);
            }
        }
    }
}
