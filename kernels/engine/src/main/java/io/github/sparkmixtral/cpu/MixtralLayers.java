package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Tensor;
import io.github.sparkmixtral.model.Weights;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * The decoder (Jiang et al. 2024): embedding, layers, final norm and head, over all tokens of a chunk at once. Matrix products are
 * split by output rows, everything else by tokens.
 */
final class MixtralLayers {

    /** Tokens that one worker takes at a time where the work is split by tokens. */
    private static final int ROWS_PER_TASK = 8;

    private final ModelConfig config;
    private final Weights weights;
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
    private final Matrix gate;
    private final Matrix up;
    private final Matrix down;

    MixtralLayers(
            ModelConfig config, Weights weights, Kernels kernels, KeyValueCache cache, WorkerPool pool, int maxTokens) {
        this.config = config;
        this.weights = weights;
        this.kernels = kernels;
        this.cache = cache;
        this.pool = pool;
        this.maxTokens = maxTokens;
        workspaces = new Workspace[pool.threads()];
        Arrays.setAll(workspaces, i -> new Workspace(config));
        rotary = new RotaryEmbedding(config);
        routing = new Routing(maxTokens, config.experts(), config.expertsPerToken());
        attentionNorms = weights.layers().stream()
                .map(layer -> vector(layer.attentionNorm()))
                .toArray(float[][]::new);
        expertNorms = weights.layers().stream()
                .map(layer -> vector(layer.expertNorm()))
                .toArray(float[][]::new);
        outputNorm = vector(weights.outputNorm());
        int entries = maxTokens * config.expertsPerToken();
        everyRow = IntStream.range(0, entries).toArray();
        hidden = Matrix.zeros(maxTokens, config.hiddenSize());
        normed = Matrix.zeros(maxTokens, config.hiddenSize());
        query = Matrix.zeros(maxTokens, config.heads() * config.headDimension());
        key = Matrix.zeros(maxTokens, config.kvHeads() * config.headDimension());
        value = Matrix.zeros(maxTokens, config.kvHeads() * config.headDimension());
        attended = Matrix.zeros(maxTokens, config.heads() * config.headDimension());
        delta = Matrix.zeros(maxTokens, config.hiddenSize());
        cosines = Matrix.zeros(maxTokens, config.headDimension() / 2);
        sines = Matrix.zeros(maxTokens, config.headDimension() / 2);
        routerLogits = Matrix.zeros(maxTokens, config.experts());
        gate = Matrix.zeros(entries, config.intermediateSize());
        up = Matrix.zeros(entries, config.intermediateSize());
        down = Matrix.zeros(entries, config.hiddenSize());
    }

    private static float[] vector(Tensor tensor) {
        float[] vector = new float[Matrix.padded(tensor.columns())];
        tensor.type().decode(tensor.data(), 0, vector, 0, tensor.columns());
        return vector;
    }

    /** Most tokens that one {@link #forward} takes. */
    int maxTokens() {
        return maxTokens;
    }

    /**
     * Runs the tokens {@code [from, to)} of a batch, which has been checked.
     *
     * @param logits receives in its rows {@code [firstWanted, endWanted)} the logits of the batch's {@code logitRows} of the same
     *     indices, all of which lie in {@code [from, to)}
     */
    void forward(Batch batch, Span[] spans, int from, int to, Matrix logits, int firstWanted, int endWanted) {
        int rows = to - from;
        eachRow(rows, row -> {
            Tensor embedding = weights.embedding();
            long at = batch.tokens()[from + row] * embedding.rowBytes();
            embedding.type().decode(embedding.data(), at, hidden.data(), hidden.offset(row), config.hiddenSize());
            rotary.angles(cosines, sines, row, batch.positions()[from + row]);
        });
        for (int layer = 0; layer < config.layers(); layer++) {
            attention(layer, batch, spans, from, rows);
            experts(layer, rows);
        }
        int wanted = endWanted - firstWanted;
        if (wanted > 0) {
            head(batch, from, logits, firstWanted, wanted);
        }
    }

    private void attention(int layer, Batch batch, Span[] spans, int from, int rows) {
        Weights.Layer w = weights.layers().get(layer);
        eachRow(rows, row -> norm(normed, row, row, attentionNorms[layer]));
        multiply(
                new Product(query, normed, rows, w.query()),
                new Product(key, normed, rows, w.key()),
                new Product(value, normed, rows, w.value()));
        eachRow(rows, row -> {
            rotary.rotate(query, cosines, sines, row);
            rotary.rotate(key, cosines, sines, row);
            cache.store(layer, batch.kvSlots()[from + row], key, value, row);
        });
        int kvHeads = config.kvHeads();
        pool.run(
                rows * kvHeads,
                (worker, i) -> kernels.attend(
                        attended,
                        query,
                        i / kvHeads,
                        cache,
                        layer,
                        i % kvHeads,
                        spans[from + i / kvHeads],
                        workspaces[worker]));
        multiply(new Product(delta, attended, rows, w.output()));
        eachRow(rows, row -> kernels.accumulate(hidden, row, 1, delta, row));
    }

    private void experts(int layer, int rows) {
        Weights.Layer w = weights.layers().get(layer);
        eachRow(rows, row -> norm(normed, row, row, expertNorms[layer]));
        multiply(new Product(routerLogits, normed, rows, w.router()));
        routing.route(routerLogits, rows);

        int[] active = IntStream.range(0, config.experts())
                .filter(expert -> routing.start(expert) < routing.end(expert))
                .toArray();
        int inner = panels(config.intermediateSize());
        pool.run(active.length * inner, (worker, i) -> {
            int expert = active[i / inner];
            gateAndUp(w.experts().get(expert), expert, i % inner, workspaces[worker]);
        });
        int outer = panels(config.hiddenSize());
        pool.run(active.length * outer, (worker, i) -> {
            int expert = active[i / outer];
            Tensor projection = w.experts().get(expert).down();
            panel(
                    down,
                    gate,
                    everyRow,
                    routing.start(expert),
                    routing.end(expert),
                    projection,
                    i % outer,
                    workspaces[worker]);
        });
        eachRow(rows, row -> {
            for (int choice = 0; choice < config.expertsPerToken(); choice++) {
                kernels.accumulate(hidden, row, routing.weight(row, choice), down, routing.entry(row, choice));
            }
        });
    }

    /** One panel of an expert's inner columns, for all of its tokens. */
    private void gateAndUp(Weights.Expert weights, int expert, int panel, Workspace workspace) {
        int start = routing.start(expert);
        int end = routing.end(expert);
        panel(gate, normed, routing.tokens(), start, end, weights.gate(), panel, workspace);
        panel(up, normed, routing.tokens(), start, end, weights.up(), panel, workspace);
        int first = panel * Workspace.PANEL_ROWS;
        int last = Math.min(first + Workspace.PANEL_ROWS, config.intermediateSize());
        for (int row = start; row < end; row++) {
            kernels.swiGlu(gate, up, row, first, last);
        }
    }

    private void head(Batch batch, int from, Matrix logits, int firstWanted, int wanted) {
        eachRow(wanted, i -> norm(normed, i, batch.logitRows()[firstWanted + i] - from, outputNorm));
        int[] inRows = IntStream.range(-firstWanted, wanted).toArray();
        int panels = panels(config.vocabularySize());
        pool.run(
                panels,
                (worker, i) -> panel(
                        logits,
                        normed,
                        inRows,
                        firstWanted,
                        firstWanted + wanted,
                        weights.head(),
                        i,
                        workspaces[worker]));
    }

    private void norm(Matrix out, int outRow, int inRow, float[] weight) {
        kernels.rmsNorm(out, outRow, hidden, inRow, weight, config.rmsNormEpsilon());
    }

    /** {@code out = in * weights^T} over the first {@code rows} rows. */
    private record Product(Matrix out, Matrix in, int rows, Tensor weights) {}

    /** Several products of one step, their panels shared out together. */
    private void multiply(Product... products) {
        int total = 0;
        for (Product product : products) {
            total += panels(product.weights().rows());
        }
        pool.run(total, (worker, i) -> {
            int panel = i;
            int which = 0;
            while (panel >= panels(products[which].weights().rows())) {
                panel -= panels(products[which].weights().rows());
                which++;
            }
            Product product = products[which];
            panel(
                    product.out(),
                    product.in(),
                    everyRow,
                    0,
                    product.rows(),
                    product.weights(),
                    panel,
                    workspaces[worker]);
        });
    }

    private static int panels(int outputs) {
        return Math.ceilDiv(outputs, Workspace.PANEL_ROWS);
    }

    private void panel(
            Matrix out,
            Matrix in,
            int[] inRows,
            int fromRow,
            int toRow,
            Tensor weights,
            int panel,
            Workspace workspace) {
        int first = panel * Workspace.PANEL_ROWS;
        int last = Math.min(first + Workspace.PANEL_ROWS, weights.rows());
        kernels.gemm(out, in, inRows, fromRow, toRow, weights, first, last, workspace);
    }

    @FunctionalInterface
    private interface RowTask {
        void run(int row);
    }

    private void eachRow(int rows, RowTask task) {
        pool.run(Math.ceilDiv(rows, ROWS_PER_TASK), (worker, i) -> {
            int end = Math.min((i + 1) * ROWS_PER_TASK, rows);
            for (int row = i * ROWS_PER_TASK; row < end; row++) {
                task.run(row);
            }
        });
    }
}
