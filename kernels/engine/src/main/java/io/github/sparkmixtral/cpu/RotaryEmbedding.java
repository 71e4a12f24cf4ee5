package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.model.ModelConfig;

/**
 * Rotary position embedding (Su et al. 2021). Angles are rounded to float, as Hugging Face transformers rounds them: at position
 * 30,000 an unrounded angle is up to a thousandth of a radian away from the one that models are run with.
 */
final class RotaryEmbedding {

    private final int headDimension;
    private final int step;
    private final int partner;
    private final float[] frequencies;

    RotaryEmbedding(ModelConfig config) {
        headDimension = config.headDimension();
        step = switch (config.ropeLayout()) {
            case HALVES -> 1;
            case NEIGHBOURS -> 2;
        };
        partner = switch (config.ropeLayout()) {
            case HALVES -> headDimension / 2;
            case NEIGHBOURS -> 1;
        };
        frequencies = config.ropeFrequencies();
    }

    /** Writes the cosine and the sine of each frequency's angle at a position to one row of each matrix. */
    void angles(Matrix cosines, Matrix sines, int row, int position) {
        for (int i = 0; i < frequencies.length; i++) {
            float angle = position * frequencies[i];
            cosines.data()[cosines.offset(row) + i] = (float) StrictMath.cos(angle);
            sines.data()[sines.offset(row) + i] = (float) StrictMath.sin(angle);
        }
    }

    /** Rotates all heads of one row in place. */
    void rotate(Matrix heads, Matrix cosines, Matrix sines, int row) {
        float[] x = heads.data();
        int angles = cosines.offset(row);
        int end = heads.offset(row) + heads.columns();
        for (int head = heads.offset(row); head < end; head += headDimension) {
            for (int i = 0; i < frequencies.length; i++) {
                int a = head + i * step;
                int b = a + partner;
                float cosine = cosines.data()[angles + i];
                float sine = sines.data()[angles + i];
                float first = x[a];
                float second = x[b];
                x[a] = first * cosine - second * sine;
                x[b] = second * cosine + first * sine;
            }
        }
    }
}
