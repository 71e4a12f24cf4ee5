package io.github.sparkmixtral.tornado;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Which layers lie on which device: consecutive ones on each, at least one, so that all devices are filled to about the same part.
 *
 * @param layers bytes of each layer, its part of the key/value cache included
 * @param embedding bytes that lie with the first layer
 * @param head bytes that lie with the last layer
 * @param everywhere bytes that each device needs besides
 */
record LayerSplit(long[] layers, long embedding, long head, long everywhere) {

    /** Steps in which the part is halved in on: to less than a thousandth. */
    private static final int STEPS = 12;

    /**
     * Splits the layers.
     *
     * @param usable bytes of each device, in the order in which they come
     * @return a range for each device; empty if the layers do not fit
     */
    Optional<List<LayerRange>> over(long[] usable) {
        if (usable.length > layers.length || fill(usable, 1).isEmpty()) {
            return Optional.empty();
        }
        double tooLittle = 0;
        double enough = 1;
        for (int i = 0; i < STEPS; i++) {
            double part = (tooLittle + enough) / 2;
            if (fill(usable, part).isPresent()) {
                enough = part;
            } else {
                tooLittle = part;
            }
        }
        return fill(usable, enough);
    }

    /** Fills one device after the other up to a part of what is usable. */
    private Optional<List<LayerRange>> fill(long[] usable, double part) {
        List<LayerRange> ranges = new ArrayList<>();
        int from = 0;
        for (int device = 0; device < usable.length; device++) {
            int left = usable.length - 1 - device;
            int most = layers.length - left;
            long room = (long) (usable[device] * part) - everywhere - (from == 0 ? embedding : 0);
            int to = from;
            while (to < most && layers[to] + (to == layers.length - 1 ? head : 0) <= room) {
                room -= layers[to];
                to++;
            }
            if (to == from) {
                return Optional.empty();
            }
            ranges.add(new LayerRange(from, to, layers.length));
            from = to;
        }
        return from == layers.length ? Optional.of(ranges) : Optional.empty();
    }

    /** Bytes that a range takes. */
    long bytes(LayerRange range) {
        return Arrays.stream(layers, range.from(), range.to()).sum()
                + everywhere
                + (range.isFirst() ? embedding : 0)
                + (range.isLast() ? head : 0);
    }
}
