package io.github.sparkmixtral.job.longcontext;

import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Prompts that hide a number in text that says nothing, as Mohtashami and Jaggi (Landmark Attention, 2023) do: a model that uses all
 * of its context finds it wherever it stands. The wording is the one that the demo's model knows.
 */
final class PasskeyPrompts {
    private static final List<String> FILLER = List.of(
            "The shop opens in the morning.",
            "Someone forgot an umbrella.",
            "The river flows to the sea.",
            "There is dust on the books.",
            "The grass by the river is high.",
            "The sky is blue today.",
            "A bird sings in the old tree.",
            "The road goes up and down again.",
            "Here we go once more.",
            "Nothing happens in this part.",
            "The wind blows over the fields.",
            "People walk to the market.",
            "The clock on the wall is slow.",
            "Rain falls on the roof at night.",
            "The cat sleeps near the fire.",
            "A boat comes into the port.");

    private static final String BEFORE = "Read the text and remember the pass key in it.\n\n";
    private static final String AFTER = "\n\nWhat is the pass key?";

    private final Tokenizer tokenizer;

    /**
     * A prompt.
     *
     * @param key what the answer has to contain
     */
    record Passkey(String prompt, String key) {}

    PasskeyPrompts(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /**
     * A prompt of about a length: at most that, and less by no more than a sentence.
     *
     * @param tokens of the prompt's text
     * @param depth where the key stands, in percent of the text
     * @param sample which of several prompts of that length and depth
     * @throws IllegalArgumentException for a length that has no room for the question
     */
    Passkey prompt(int tokens, int depth, int sample) {
        SplittableRandom random = new SplittableRandom(31L * (31L * tokens + depth) + sample);
        int key = random.nextInt(1000, 100_000);
        int start = random.nextInt(FILLER.size());
        String needle = "The pass key is " + key + ". Remember it. " + key + " is the pass key.";
        int sentences = 0;
        int used = tokenizer.encode(BEFORE + needle + AFTER).length;
        if (used > tokens) {
            throw new IllegalArgumentException("a prompt of " + tokens
                    + " tokens has no room for a pass key and the question, which are " + used + ": give longer ones");
        }
        while (true) {
            used += tokenizer.encode(FILLER.get((start + sentences) % FILLER.size())).length;
            if (used > tokens) {
                break;
            }
            sentences++;
        }
        int before = Math.round(sentences * depth / 100f);
        StringBuilder text = new StringBuilder(BEFORE);
        for (int i = 0; i <= sentences; i++) {
            if (i == before) {
                text.append(i == 0 ? "" : " ").append(needle);
            }
            if (i < sentences) {
                text.append(text.length() == BEFORE.length() ? "" : " ")
                        .append(FILLER.get((start + i) % FILLER.size()));
            }
        }
        return new Passkey(text.append(AFTER).toString(), Integer.toString(key));
    }
}
