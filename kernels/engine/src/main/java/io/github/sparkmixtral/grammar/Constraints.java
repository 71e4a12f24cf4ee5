package io.github.sparkmixtral.grammar;

import java.lang.ref.SoftReference;
import java.util.LinkedHashMap;
import java.util.Map;

/** Compiles constraints for one vocabulary, each once as long as there is memory. May be used by many threads at once. */
public final class Constraints {
    private static final int MOST = 256;

    private final TokenTrie trie;
    private final Map<StructuredOutput, SoftReference<Constraint>> compiled = new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<StructuredOutput, SoftReference<Constraint>> eldest) {
            return size() > MOST;
        }
    };

    public Constraints(TokenTrie trie) {
        this.trie = trie;
    }

    /**
     * Compiles a constraint.
     *
     * @throws GrammarException where it cannot be held, naming the place
     */
    public synchronized Constraint of(StructuredOutput output) {
        SoftReference<Constraint> known = compiled.get(output);
        Constraint constraint = known == null ? null : known.get();
        if (constraint == null) {
            try {
                constraint = new Constraint(output.grammar(), trie, output.choices());
            } catch (StackOverflowError deep) {
                throw new GrammarException("the constraint lies too deep in itself; make it flatter");
            }
            compiled.put(output, new SoftReference<>(constraint));
        }
        return constraint;
    }
}
