package io.github.sparkmixtral.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** A backend that gives no more logits than are asked for, as one does whose logits lie in a device's memory. */
public final class TopBackend implements Backend {
    private final Backend backend;
    private final List<Integer> counts = new ArrayList<>();
    private final List<Integer> wholeRows = new ArrayList<>();

    public TopBackend(Backend backend) {
        this.backend = backend;
    }

    /** How many logits per row each step asked for; 0 for all. */
    List<Integer> counts() {
        return counts;
    }

    /** Of how many rows each step asked for all logits, where it did not ask for those of all rows. */
    List<Integer> wholeRows() {
        return wholeRows;
    }

    @Override
    public float[] forward(Batch batch) {
        counts.add(0);
        return backend.forward(batch);
    }

    @Override
    public Logits top(Batch batch, WantedLogits wanted) {
        int count = wanted.count();
        if (count < 1 || count > TopLogits.MAX || count > vocabularySize()) {
            throw new AssertionError("the best " + count + " of " + vocabularySize() + " logits");
        }
        counts.add(count);
        float[] logits = backend.forward(batch);
        int vocabulary = vocabularySize();
        int rows = batch.logitRows().length;
        TopLogits best = top(logits, rows, vocabulary, count, wanted.temperatures());
        int[] whole = IntStream.range(0, rows)
                .filter(row -> wanted.whole().needed(best, row))
                .toArray();
        wholeRows.add(whole.length);
        if (whole.length == 0) {
            return best;
        }
        float[] all = new float[whole.length * vocabulary];
        for (int i = 0; i < whole.length; i++) {
            System.arraycopy(logits, whole[i] * vocabulary, all, i * vocabulary, vocabulary);
        }
        return new MixedLogits(best, whole, new AllLogits(vocabulary, all));
    }

    /** Written without anything of the engine. Totals are as wrong as they may be: too small in even rows, too large in odd ones. */
    static TopLogits top(float[] logits, int rows, int vocabulary, int count, double... temperatures) {
        TopLogits top = TopLogits.of(rows, count, 0x1p-15);
        for (int row = 0; row < rows; row++) {
            int offset = row * vocabulary;
            int[] order = IntStream.range(0, vocabulary)
                    .boxed()
                    .sorted((a, b) -> Float.compare(logits[offset + b] + 0.0f, logits[offset + a] + 0.0f))
                    .mapToInt(Integer::intValue)
                    .toArray();
            double sum = 0;
            double total = 0;
            for (int id : order) {
                boolean finite = Float.isFinite(logits[offset + id]);
                sum += finite ? Math.exp(logits[offset + id]) : Double.NaN;
                total += Math.exp((logits[offset + id] - (double) logits[offset + order[0]]) / temperatures[row]);
            }
            top.logSumExp()[row] = (float) Math.log(sum);
            top.totals()[row] = (float) (total * (1 + (row % 2 == 0 ? -0.99 : 0.99) * top.totalError()));
            for (int i = 0; i < count; i++) {
                top.tokens()[row * count + i] = order[i];
                top.values()[row * count + i] = logits[offset + order[i]];
            }
        }
        return top;
    }

    @Override
    public String name() {
        return backend.name();
    }

    @Override
    public int vocabularySize() {
        return backend.vocabularySize();
    }

    @Override
    public int maxPositions() {
        return backend.maxPositions();
    }

    @Override
    public int blockSize() {
        return backend.blockSize();
    }

    @Override
    public int cacheBlocks() {
        return backend.cacheBlocks();
    }

    @Override
    public int maxBatchTokens() {
        return backend.maxBatchTokens();
    }

    @Override
    public int maxSequences() {
        return backend.maxSequences();
    }

    @Override
    public int hiddenSize() {
        return backend.hiddenSize();
    }

    @Override
    public float[] hidden() {
        return backend.hidden();
    }

    @Override
    public void close() {
        backend.close();
    }
}
