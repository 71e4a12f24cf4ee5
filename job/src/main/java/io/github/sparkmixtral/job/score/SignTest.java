package io.github.sparkmixtral.job.score;

import org.apache.commons.math3.special.Beta;

/**
 * The exact sign test of paired scores, which is McNemar's exact test if every score is right or wrong: pairs that are equal say
 * nothing, and of the others half are better if nothing has changed.
 */
final class SignTest {
    private SignTest() {}

    /** How likely it is that as few pairs, or fewer, are on the rarer side, on either side; in (0, 1]. */
    static double pValue(long better, long worse) {
        double rarer = Math.min(better, worse);
        double others = better + worse - rarer;
        // P(X <= k) of n trials is the regularized beta function I(1/2; n - k, k + 1).
        return better == worse ? 1 : Math.min(1, 2 * Beta.regularizedBeta(0.5, others, rarer + 1));
    }
}
