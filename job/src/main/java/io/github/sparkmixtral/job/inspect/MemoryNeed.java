package io.github.sparkmixtral.job.inspect;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.MemoryPlanner;
import io.github.sparkmixtral.engine.MemoryPlanner.Memory;
import io.github.sparkmixtral.engine.MemoryShares;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.model.Weights;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.LongPredicate;
import java.util.stream.IntStream;

/**
 * What a model needs on one backend. All of it comes of asking the backend's own planner how it shares out memory, so that it is what
 * the backend does when it opens.
 *
 * @param backend name
 * @param place whose memory it is
 * @param shares if there is more memory than can be used
 * @param sequenceBlocks blocks of the key/value cache that the longest sequence takes
 * @param least bytes in one place with which the longest sequence can be answered
 * @param usual bytes in one place with which the cache is as large as it becomes
 * @param places the fewest places as large as those there are in which the longest sequence can be answered; empty if no number of them
 *     is enough, or no memory is known
 * @param given what becomes of the memory that there is; empty where it is not known
 */
record MemoryNeed(
        String backend,
        MemoryPlanner.Place place,
        Quantization quantization,
        MemoryShares shares,
        long sequenceBlocks,
        long least,
        long usual,
        OptionalInt places,
        Optional<Given> given) {

    /** More than any machine has. */
    private static final long PLENTY = 1L << 50;

    /**
     * What becomes of some memory.
     *
     * @param memory that there is
     * @param shares empty where the model does not fit
     * @param refusal why it does not; empty where it does
     */
    record Given(Memory memory, Optional<MemoryShares> shares, String refusal) {}

    /**
     * What a model needs.
     *
     * @param longest sequence in tokens
     * @param memory that there is; empty if that is not known
     * @throws ModelException where the backend does not take a model of that shape
     */
    static MemoryNeed of(
            String backend,
            MemoryPlanner planner,
            ModelConfig config,
            Weights weights,
            Quantization quantization,
            int longest,
            Optional<Memory> memory) {
        MemoryShares shares = planner.share(config, weights, new Memory(1, PLENTY));
        long sequence = Math.ceilDiv(longest, BackendOptions.BLOCK_SIZE);
        long wanted = Math.min(sequence, shares.blocks());
        return new MemoryNeed(
                backend,
                planner.place(),
                quantization,
                shares,
                sequence,
                smallest(bytes -> blocks(planner, config, weights, new Memory(1, bytes)) >= wanted),
                smallest(bytes -> blocks(planner, config, weights, new Memory(1, bytes)) >= shares.blocks()),
                places(planner, config, weights, wanted, memory),
                memory.map(there -> given(planner, config, weights, there)));
    }

    private static OptionalInt places(
            MemoryPlanner planner, ModelConfig config, Weights weights, long wanted, Optional<Memory> memory) {
        if (memory.isEmpty()) {
            return OptionalInt.empty();
        }
        // A machine is one; of GPUs each holds a layer at least.
        int most = planner.place() == MemoryPlanner.Place.HOST ? 1 : config.layers();
        return IntStream.rangeClosed(1, most)
                .filter(places -> blocks(
                                planner,
                                config,
                                weights,
                                new Memory(places, memory.get().bytes()))
                        >= wanted)
                .findFirst();
    }

    private static Given given(MemoryPlanner planner, ModelConfig config, Weights weights, Memory memory) {
        try {
            return new Given(memory, Optional.of(planner.share(config, weights, memory)), "");
        } catch (ModelException refused) {
            return new Given(memory, Optional.empty(), refused.getMessage());
        }
    }

    private static long blocks(MemoryPlanner planner, ModelConfig config, Weights weights, Memory memory) {
        return given(planner, config, weights, memory)
                .shares()
                .map(MemoryShares::blocks)
                .orElse(-1L);
    }

    /** The fewest bytes that are enough; those above them are, too. */
    private static long smallest(LongPredicate enough) {
        long low = 0;
        long high = PLENTY;
        while (low < high) {
            long middle = (low + high) / 2;
            if (enough.test(middle)) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return high;
    }

    /** Bytes of keys and values of the longest sequence. */
    long sequenceBytes() {
        return sequenceBlocks * shares.blockBytes();
    }

    /** Tokens that the cache holds in the memory that there is; 0 where the model does not fit, or no memory is known. */
    long tokens() {
        return given.flatMap(Given::shares).map(MemoryShares::blocks).orElse(0L) * BackendOptions.BLOCK_SIZE;
    }

    /** Whether the longest sequence can be answered in the memory that there is. */
    boolean takesLongest() {
        return tokens() >= Math.min(sequenceBlocks, shares.blocks()) * BackendOptions.BLOCK_SIZE && tokens() > 0;
    }

    /** Whether the cache is as large as it becomes in the memory that there is. */
    boolean takesAll() {
        return tokens() >= shares.blocks() * BackendOptions.BLOCK_SIZE && tokens() > 0;
    }
}
