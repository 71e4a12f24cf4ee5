package io.github.sparkmixtral.engine;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * Who owns which block of the key/value cache. Blocks are reference counted: sequences whose tokens begin alike share the full
 * blocks of what they have in common, and the blocks of finished sequences stay findable until they are needed (the least
 * recently used first; of one sequence, its end first, for a prefix is of no use without its beginning).
 *
 * <p>A full block is found again by what it holds: the key of a block is its tokens and the identity of the block before it.
 * Keys are compared token by token, so that no collision of hashes can give a sequence the keys and values of other tokens.
 * A block evicted and computed again gets a new identity; what hung on the old one is no longer found, and is evicted in turn.
 *
 * <p>Holds only bookkeeping; one thread.
 */
final class BlockPool {

    /** What became of an attempt to {@link #admit}. */
    enum Admission {
        /** The table has blocks for all its tokens. */
        ADMITTED,
        /** Another sequence is just computing the next block of the same prefix: better wait for it than compute it twice. */
        DEFERRED,
        /** Too few free blocks. */
        FULL
    }

    /** Whether full blocks are found again. */
    enum PrefixReuse {
        ON,
        OFF
    }

    private static final long ROOT = 0;
    private static final int NOT_COMPUTED = -1;

    private final int blockSize;
    private final PrefixReuse reuse;
    private final int[] references;
    private final Prefix[] prefixes;
    private final FreeList free;
    private final Map<PrefixKey, Prefix> known = new HashMap<>();
    private long lastIdentity = ROOT;

    BlockPool(int blocks, int blockSize, PrefixReuse reuse) {
        this.blockSize = blockSize;
        this.reuse = reuse;
        references = new int[blocks];
        prefixes = new Prefix[blocks];
        free = new FreeList(blocks);
    }

    int blocks() {
        return references.length;
    }

    int blockSize() {
        return blockSize;
    }

    /** Blocks that no sequence holds, those that can still be found again included. */
    int freeBlocks() {
        return free.size();
    }

    /** How many tables hold the block. */
    int references(int block) {
        return references[block];
    }

    /**
     * Gives an empty table blocks for {@code length} tokens, known ones first. On anything but {@link Admission#ADMITTED} the table is
     * as it was.
     *
     * @param reusable how many of the first tokens may come out of known blocks; the others are to be computed for what they give. Less
     *     than {@code length}, because the last token's logits are wanted
     */
    Admission admit(BlockTable table, int[] tokens, int length, int reusable) {
        int shareable = reuse == PrefixReuse.ON ? reusable / blockSize : 0;
        int unheld = 0;
        long parent = ROOT;
        while (table.prefixes.size() < shareable) {
            Prefix prefix = known.get(keyOf(parent, tokens, table.prefixes.size()));
            if (prefix == null) {
                break;
            }
            if (prefix.block == NOT_COMPUTED) {
                table.prefixes.clear();
                return Admission.DEFERRED;
            }
            unheld += references[prefix.block] == 0 ? 1 : 0;
            table.prefixes.add(prefix);
            parent = prefix.identity;
        }
        int hits = table.prefixes.size();
        if (blocksFor(length) - hits > free.size() - unheld) {
            table.prefixes.clear();
            return Admission.FULL;
        }
        for (Prefix prefix : table.prefixes) {
            retain(prefix.block);
            table.add(prefix.block);
        }
        table.known = hits;
        announce(table, tokens, shareable);
        grow(table, length);
        return Admission.ADMITTED;
    }

    /** Tells others which blocks the table's sequence is about to compute. */
    private void announce(BlockTable table, int[] tokens, int shareable) {
        for (int index = table.known; index < shareable; index++) {
            Prefix prefix = new Prefix(++lastIdentity, keyOf(identityBefore(table, index), tokens, index));
            known.put(prefix.key, prefix);
            table.prefixes.add(prefix);
        }
    }

    /** Adds blocks until the table has room for {@code length} tokens; false where no block is free. */
    boolean grow(BlockTable table, int length) {
        while (table.size() < blocksFor(length)) {
            if (free.size() == 0) {
                return false;
            }
            table.add(allocate());
        }
        return true;
    }

    /** Says that the keys and values of the first {@code computed} tokens are in the table's blocks: full ones can be shared. */
    void computed(BlockTable table, int[] tokens, int computed) {
        if (reuse == PrefixReuse.OFF) {
            return;
        }
        for (; table.known < computed / blockSize; table.known++) {
            int index = table.known;
            if (index == table.prefixes.size()) {
                PrefixKey key = keyOf(identityBefore(table, index), tokens, index);
                Prefix twin = known.get(key);
                if (twin != null) {
                    // Somebody else has the same block: theirs is found, ours stays private.
                    table.prefixes.add(twin);
                    continue;
                }
                Prefix prefix = new Prefix(++lastIdentity, key);
                known.put(key, prefix);
                table.prefixes.add(prefix);
            }
            Prefix prefix = table.prefixes.get(index);
            prefix.block = table.block(index);
            prefixes[prefix.block] = prefix;
        }
    }

    /** Takes all blocks back and empties the table. */
    void release(BlockTable table) {
        for (int index = table.known; index < table.prefixes.size(); index++) {
            known.remove(table.prefixes.get(index).key);
        }
        for (int index = table.size() - 1; index >= 0; index--) {
            int block = table.block(index);
            if (--references[block] == 0) {
                if (prefixes[block] == null) {
                    free.addFirst(block);
                } else {
                    free.addLast(block);
                }
            }
        }
        table.clear();
    }

    private int allocate() {
        int block = free.removeFirst();
        Prefix evicted = prefixes[block];
        if (evicted != null) {
            known.remove(evicted.key);
            prefixes[block] = null;
        }
        references[block] = 1;
        return block;
    }

    private void retain(int block) {
        if (references[block]++ == 0) {
            free.remove(block);
        }
    }

    private int blocksFor(int length) {
        return Math.ceilDiv(length, blockSize);
    }

    private static long identityBefore(BlockTable table, int index) {
        return index == 0 ? ROOT : table.prefixes.get(index - 1).identity;
    }

    private PrefixKey keyOf(long parent, int[] tokens, int index) {
        return new PrefixKey(parent, Arrays.copyOfRange(tokens, index * blockSize, (index + 1) * blockSize));
    }

    /** A full block's content in its context. Its block is set once its keys and values are there. */
    static final class Prefix {
        private final long identity;
        private final PrefixKey key;
        private int block = NOT_COMPUTED;

        private Prefix(long identity, PrefixKey key) {
            this.identity = identity;
            this.key = key;
        }
    }

    /** The tokens of a block and the identity of the block before it. */
    private record PrefixKey(long parent, int[] tokens) {
        @Override
        public boolean equals(Object other) {
            return other instanceof PrefixKey key && parent == key.parent && Arrays.equals(tokens, key.tokens);
        }

        @Override
        public int hashCode() {
            return Long.hashCode(Draws.mix(parent)) ^ Arrays.hashCode(tokens);
        }
    }
}
