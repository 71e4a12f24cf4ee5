package io.github.sparkmixtral.engine;

import java.io.Serializable;

/**
 * What an engine has done since its beginning, and does at the moment.
 *
 * @param promptTokens prompts' tokens computed: those of the cache are not among them, those of preempted sequences are once more
 * @param generatedTokens those of unfinished sequences, and of those that score choices, included
 * @param preemptions how often a sequence had to make way
 * @param running sequences that hold cache blocks
 * @param waiting sequences that wait for them
 * @param maxSequences most sequences in one step
 * @param usedBlocks cache blocks that sequences hold
 * @param blocks cache blocks in all
 * @param times of its steps
 * @param at when the last step has ended, as {@link System#nanoTime} tells it
 */
public record EngineCounters(
        long promptTokens,
        long generatedTokens,
        long preemptions,
        int running,
        int waiting,
        int maxSequences,
        int usedBlocks,
        int blocks,
        StepTimes times,
        long at)
        implements Serializable {}
