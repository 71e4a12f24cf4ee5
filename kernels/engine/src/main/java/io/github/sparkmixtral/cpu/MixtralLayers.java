package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.cpu.jit.IntegerLayout;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Weights;
import io.github.sparkmixtral.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.stream.IntStream;

/**
 * The decoder (Jiang et al. 2024): embedding, layers, final norm and head, over all tokens of a chunk at once. Matrix products are
 * split by output rows, everything else by tokens.
 */
final class MixtralLayers {

    /** Most tokens that one worker takes at a time if the work is split by tokens. */
    private static final int ROWS_PER_TASK = 8;

    private final ModelConfig config;
    private final Tensor embedding;
    private final PackedWeights weights;
    private final Kernels kernels;
    private final KeyValueCache cache;
    private final WorkerPool pool;
    private final Workspace[] workspaces;
    private final RotaryEmbedding rotary;
    private final Routing routing;
    private final float[][] attentionNorms;
    private final float[][] expertNorms;
    private final float[] outputNorm;
    private final int[] everyRow;
    private final Span[] current;
    private final int maxTokens;

    private final Matrix hidden;
    private final Matrix normed;
    private final Matrix query;
    private final Matrix key;
    private final Matrix value;
    private final Matrix attended;
    private final Matrix delta;
    private final Matrix cosines;
    private final Matrix sines;
    private final Matrix routerLogits;
    private final Matrix dispatched;
    private final Matrix gate;
    private final Matrix up;
    private final Matrix down;

    /** Which of the tokens' rows were moved to the front, see {@link #keep}. */
    private int[] kept = {};

    /** {@code [layers, experts]}; written by one thread, read by any. */
    private final AtomicLongArray expertTokens;

    private RoutingObserver observer = (_, _, _) -> {};

    /** Told of every routing as soon as it is made. */
    @FunctionalInterface
    interface RoutingObserver {
        /** @param rows of the tokens that go through the layer together, in their order; valid during the call */
        void routed(int layer, int rows, Routing routing);
    }

    /** @param packed the matrices of {@code weights} */
    MixtralLayers(
            ModelConfig config,
            Weights weights,
            PackedWeights packed,
            Kernels kernels,
            KeyValueCache cache,
            WorkerPool pool,
            int maxTokens) {
        this.config = config;
        this.embedding = weights.embedding();
        this.weights = packed;
        this.kernels = kernels;
        this.cache = cache;
        this.pool = pool;
        this.maxTokens = maxTokens;
        workspaces = new Workspace[pool.threads()];
        Arrays.setAll(workspaces, i -> new Workspace(config, maxTokens));
        rotary = new RotaryEmbedding(config);
        expertTokens = new AtomicLongArray(config.layers() * config.experts());
        routing = new Routing(maxTokens, config.experts(), config.expertsPerToken());
        attentionNorms = weights.layers().stream()
                .map(layer -> vector(layer.attentionNorm()))
                .toArray(float[][]::new);
        expertNorms = weights.layers().stream()
                .map(layer -> vector(layer.expertNorm()))
                .toArray(float[][]::new);
        outputNorm = vector(weights.outputNorm());
        current = new Span[maxTokens];
        int entries = maxTokens * config.expertsPerToken();
        everyRow = IntStream.range(0, entries).toArray();
        hidden = Matrix.zeros(maxTokens, config.hiddenSize());
        normed = kernels.inputs(maxTokens, config.hiddenSize());
        query = Matrix.zeros(maxTokens, config.heads() * config.headDimension());
        key = Matrix.zeros(maxTokens, config.kvHeads() * config.headDimension());
        value = Matrix.zeros(maxTokens, config.kvHeads() * config.headDimension());
        attended = kernels.inputs(maxTokens, config.heads() * config.headDimension());
        delta = Matrix.zeros(maxTokens, config.hiddenSize());
        cosines = Matrix.zeros(maxTokens, config.headDimension() / 2);
        sines = Matrix.zeros(maxTokens, config.headDimension() / 2);
        routerLogits = Matrix.zeros(maxTokens, config.experts());
        dispatched = kernels.inputs(entries, config.hiddenSize());
        gate = kernels.inputs(entries, config.intermediateSize());
        up = Matrix.zeros(entries, config.intermediateSize());
        down = Matrix.zeros(entries, config.hiddenSize());
    }

    /** Bytes off the heap of all inputs' integers, if kernels take these. */
    static long integerBytes(ModelConfig config, int maxTokens) {
        long token = IntegerLayout.rowBytes(config.hiddenSize())
                + IntegerLayout.rowBytes(config.heads() * config.headDimension());
        long entry = IntegerLayout.rowBytes(config.hiddenSize()) + IntegerLayout.rowBytes(config.intermediateSize());
        return maxTokens * (token + config.expertsPerToken() * entry);
    }

    private static float[] vector(Tensor tensor) {
        float[] vector = new float[Matrix.padded(tensor.columns())];
        tensor.type().decode(tensor.data(), 0, vector, 0, tensor.columns());
        return vector;
    }

    void observe(RoutingObserver told) {
        observer = told;
    }

    /** Most tokens that one {@link #forward} takes. */
    int maxTokens() {
        return maxTokens;
    }

    /**
     * Runs the tokens {@code [from, to)} of a batch, which has been checked, up to the final norm.
     *
     * @param wanted ascending; those of the tokens, counted from {@code from}, that {@link #hidden} or {@link #logits} are asked for then
     */
    void forward(Batch batch, Span[] spans, int from, int to, int[] wanted) {
        int rows = to - from;
        eachRow(rows, row -> {
            long at = batch.tokens()[from + row] * embedding.rowBytes();
            embedding.type().decode(embedding.data(), at, hidden.data(), hidden.offset(row), config.hiddenSize());
            rotary.angles(cosines, sines, row, batch.positions()[from + row]);
            current[row] = spans[from + row];
        });
        for (int layer = 0; layer < config.layers(); layer++) {
            keysAndValues(layer, batch, from, rows);
            if (layer == config.layers() - 1) {
                rows = keep(wanted);
            }
            attention(layer, rows);
            experts(layer, rows);
        }
        eachRow(rows, row -> norm(normed, row, row, outputNorm));
    }

    private void keysAndValues(int layer, Batch batch, int from, int rows) {
        PackedWeights.Layer w = weights.layers().get(layer);
        eachRow(rows, row -> norm(normed, row, row, attentionNorms[layer]));
        Rows in = first(normed, rows);
        multiply(product(key, in, w.key()), product(value, in, w.value()));
        eachRow(rows, row -> {
            rotary.rotate(key, cosines, sines, row);
            cache.store(layer, batch.kvSlots()[from + row], key, value, row);
        });
    }

    /**
     * Moves the wanted rows to the front: once the last layer's keys and values are stored, no other row matters.
     *
     * @return how many these are
     */
    private int keep(int[] wanted) {
        for (int to = 0; to < wanted.length; to++) {
            int row = wanted[to];
            for (Matrix matrix : List.of(hidden, normed, cosines, sines)) {
                matrix.copyRow(to, matrix, row);
            }
            current[to] = current[row];
        }
        kept = wanted;
        return wanted.length;
    }

    private void attention(int layer, int rows) {
        PackedWeights.Layer w = weights.layers().get(layer);
        multiply(product(query, first(normed, rows), w.query()));
        eachRow(rows, row -> rotary.rotate(query, cosines, sines, row));
        int[] starts = attending(rows);
        int kvHeads = config.kvHeads();
        pool.run(
                (starts.length - 1) * kvHeads,
                (worker, i) -> kernels.attend(
                        attended,
                        query,
                        starts[i / kvHeads],
                        starts[i / kvHeads + 1],
                        cache,
                        layer,
                        i % kvHeads,
                        current,
                        workspaces[worker]));
        eachRow(rows, row -> kernels.prepare(attended, row));
        multiply(product(delta, first(attended, rows), w.output()));
        eachRow(rows, row -> kernels.accumulate(hidden, row, 1, delta, row));
    }

    /** Where runs of rows begin that go through attention together, and where the last one ends: rows of one sequence, not too many. */
    private int[] attending(int rows) {
        IntStream.Builder starts = IntStream.builder();
        int first = 0;
        for (int row = 0; row < rows; row++) {
            boolean sameSequence = current[row].table() == current[first].table();
            if (row == first || !sameSequence || row - first == Workspace.ATTENDING) {
                starts.add(row);
                first = row;
            }
        }
        return starts.add(rows).build().toArray();
    }

    private void experts(int layer, int rows) {
        PackedWeights.Layer w = weights.layers().get(layer);
        eachRow(rows, row -> norm(normed, row, row, expertNorms[layer]));
        multiply(product(routerLogits, first(normed, rows), w.router()));
        routing.route(routerLogits, rows);
        count(layer);
        observer.routed(layer, rows, routing);

        // Each expert's inputs side by side, once for all workers.
        int entries = rows * config.expertsPerToken();
        eachRow(entries, entry -> dispatched.copyRow(entry, normed, routing.tokens()[entry]));
        int[] active = IntStream.range(0, config.experts())
                .filter(expert -> routing.start(expert) < routing.end(expert))
                .toArray();
        Product[] inner = new Product[2 * active.length];
        Product[] outer = new Product[active.length];
        for (int i = 0; i < active.length; i++) {
            int from = routing.start(active[i]);
            int to = routing.end(active[i]);
            PackedWeights.Expert expert = w.experts().get(active[i]);
            Rows in = new Rows(dispatched, everyRow, from, to);
            inner[2 * i] = product(gate, in, expert.gate());
            inner[2 * i + 1] = product(up, in, expert.up());
            outer[i] = product(down, new Rows(gate, everyRow, from, to), expert.down());
        }
        multiply(inner);
        eachRow(entries, entry -> {
            kernels.swiGlu(gate, up, entry, 0, gate.columns());
            kernels.prepare(gate, entry);
        });
        multiply(outer);
        eachRow(rows, row -> {
            for (int choice = 0; choice < config.expertsPerToken(); choice++) {
                kernels.accumulate(hidden, row, routing.weight(row, choice), down, routing.entry(row, choice));
            }
        });
    }

    private void count(int layer) {
        for (int expert = 0; expert < config.experts(); expert++) {
            int place = layer * config.experts() + expert;
            expertTokens.setOpaque(place, expertTokens.getPlain(place) + routing.end(expert) - routing.start(expert));
        }
    }

    /** {@code [layers, experts]} how many tokens each expert has had. Of the last layer these are the wanted ones only. */
    long[][] expertTokens() {
        long[][] tokens = new long[config.layers()][config.experts()];
        for (int place = 0; place < expertTokens.length(); place++) {
            tokens[place / config.experts()][place % config.experts()] = expertTokens.getOpaque(place);
        }
        return tokens;
    }

    /**
     * The last hidden states of some of the tokens that {@link #forward} was asked for.
     *
     * @param out {@code [rows, hiddenSize]}, filled from row {@code first} on
     */
    void hidden(int[] wanted, float[] out, int first) {
        for (int i = 0; i < wanted.length; i++) {
            int row = Arrays.binarySearch(kept, wanted[i]);
            System.arraycopy(
                    normed.data(), normed.offset(row), out, (first + i) * config.hiddenSize(), config.hiddenSize());
        }
    }

    /** Computes the logits of some of the tokens that {@link #forward} was asked for into the rows {@code first} on. */
    void logits(int[] wanted, Matrix out, int first) {
        int[] rows = new int[first + wanted.length];
        for (int i = 0; i < wanted.length; i++) {
            rows[first + i] = Arrays.binarySearch(kept, wanted[i]);
        }
        multiply(product(out, new Rows(normed, rows, first, rows.length), weights.head()));
    }

    private void norm(Matrix out, int outRow, int inRow, float[] weight) {
        kernels.rmsNorm(out, outRow, hidden, inRow, weight, config.rmsNormEpsilon());
        kernels.prepare(out, outRow);
    }

    private Rows first(Matrix matrix, int rows) {
        return new Rows(matrix, everyRow, 0, rows);
    }

    /** {@code out = in * weights^T}, some panels at a time. */
    private record Product(Matrix out, Rows in, PackedMatrix weights, int panelsAtOnce) {
        int tasks() {
            return Math.ceilDiv(weights.panelCount(), panelsAtOnce);
        }

        void run(int task, Kernels kernels, Workspace workspace) {
            int from = task * panelsAtOnce;
            kernels.gemm(out, in, weights, from, Math.min(from + panelsAtOnce, weights.panelCount()), workspace);
        }
    }

    private Product product(Matrix out, Rows in, PackedMatrix weights) {
        return new Product(out, in, weights, kernels.panelsAtOnce(in.count()));
    }

    /** Several products of one step, their panels shared out together. */
    private void multiply(Product... products) {
        int total = 0;
        for (Product product : products) {
            total += product.tasks();
        }
        pool.run(total, (worker, i) -> {
            int task = i;
            int which = 0;
            while (task >= products[which].tasks()) {
                task -= products[which].tasks();
                which++;
            }
            products[which].run(task, kernels, workspaces[worker]);
        });
    }

    @FunctionalInterface
    private interface RowTask {
        void run(int row);
    }

    private void eachRow(int rows, RowTask task) {
        int each = Math.clamp(rows / pool.threads(), 1, ROWS_PER_TASK);
        pool.run(Math.ceilDiv(rows, each), (worker, i) -> {
            int end = Math.min((i + 1) * each, rows);
            for (int row = i * each; row < end; row++) {
                task.run(row);
            }
        });
    }
}
