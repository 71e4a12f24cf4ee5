package io.github.sparkmixtral.engine;

import java.io.Serializable;

/**
 * How long steps have taken by what they have computed: the sums of a least-squares fit of {@code seconds = a x prompt tokens + b x
 * generated tokens}. Sums of several times can be taken from each other.
 *
 * @param seconds of all steps
 * @param promptTokens computed
 * @param generatedTokens sampled
 * @param promptSquares sum of squares of a step's prompt tokens
 * @param generatedSquares the same of its generated tokens
 * @param products of both
 * @param promptSeconds sum of prompt tokens x seconds
 * @param generatedSeconds sum of generated tokens x seconds
 */
public record StepTimes(
        double seconds,
        double promptTokens,
        double generatedTokens,
        double promptSquares,
        double generatedSquares,
        double products,
        double promptSeconds,
        double generatedSeconds)
        implements Serializable {

    /** Of no step. */
    public static final StepTimes NONE = new StepTimes(0, 0, 0, 0, 0, 0, 0, 0);

    /** What one token costs, in seconds. */
    public record Cost(double promptToken, double generatedToken) {}

    StepTimes plus(double prompt, double generated, double took) {
        return plus(
                new StepTimes(
                        took,
                        prompt,
                        generated,
                        prompt * prompt,
                        generated * generated,
                        prompt * generated,
                        prompt * took,
                        generated * took),
                1);
    }

    /** Of these steps and those. */
    public StepTimes plus(StepTimes other) {
        return plus(other, 1);
    }

    /** Of these steps without those, which are among them. */
    public StepTimes minus(StepTimes other) {
        return plus(other, -1);
    }

    private StepTimes plus(StepTimes other, int sign) {
        return new StepTimes(
                seconds + sign * other.seconds,
                promptTokens + sign * other.promptTokens,
                generatedTokens + sign * other.generatedTokens,
                promptSquares + sign * other.promptSquares,
                generatedSquares + sign * other.generatedSquares,
                products + sign * other.products,
                promptSeconds + sign * other.promptSeconds,
                generatedSeconds + sign * other.generatedSeconds);
    }

    /** The fit; both tokens cost the same where steps do not tell them apart. */
    public Cost cost() {
        double determinant = promptSquares * generatedSquares - products * products;
        if (determinant > 1e-6 * promptSquares * generatedSquares) {
            double prompt = (promptSeconds * generatedSquares - generatedSeconds * products) / determinant;
            double generated = (generatedSeconds * promptSquares - promptSeconds * products) / determinant;
            if (prompt > 0 && generated > 0) {
                return new Cost(prompt, generated);
            }
        }
        double tokens = promptTokens + generatedTokens;
        double each = tokens == 0 ? 0 : seconds / tokens;
        return new Cost(each, each);
    }
}
