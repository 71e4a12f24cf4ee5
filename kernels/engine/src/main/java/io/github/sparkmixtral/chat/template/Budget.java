package io.github.sparkmixtral.chat.template;

/** What one rendering may cost, far above what any conversation needs, so that no template hangs or fills the heap. */
final class Budget {
    private static final int MOST_STEPS = 20_000_000;
    private static final long MOST_CHARACTERS = 128L << 20;
    private static final int LONGEST_TEXT = 16 << 20;
    private static final int MOST_ITEMS = 1 << 20;
    private static final int DEEPEST = 200;

    private int steps;
    private long characters;
    private int depth;

    void step() {
        step(1);
    }

    /** Counts work in a loop of this program, such as one over the items of a list. */
    void step(long count) {
        if (count > MOST_STEPS - steps) {
            throw exceeded(MOST_STEPS + " steps");
        }
        steps += (int) count;
    }

    /** Counts characters that are written, in a text that has then that length. */
    void write(long length, long written) {
        if (length > LONGEST_TEXT) {
            throw exceeded("a text of " + LONGEST_TEXT + " characters");
        }
        characters += written;
        if (characters > MOST_CHARACTERS) {
            throw exceeded(MOST_CHARACTERS + " characters");
        }
    }

    /** Counts a search of a text for another one. */
    void search(int length, int wanted) {
        write(0, length + (wanted > 64 ? (long) length * wanted / 64 : 0));
    }

    void items(long count) {
        if (count > MOST_ITEMS) {
            throw exceeded("a list of " + MOST_ITEMS + " items");
        }
        step(count);
    }

    void enter() {
        step();
        if (++depth > DEEPEST) {
            throw exceeded("a nesting of " + DEEPEST);
        }
    }

    void leave() {
        depth--;
    }

    private static TemplateException exceeded(String what) {
        return new TemplateException("the chat template needs more than " + what + ", which is all that it may");
    }
}
