package io.github.sparkmixtral.job.estimate;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.inference.ExecutorMemory;
import io.github.sparkmixtral.job.inference.Generation;
import io.github.sparkmixtral.job.input.Input;
import io.github.sparkmixtral.job.input.PromptRow;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.model.ModelOutline;
import io.github.sparkmixtral.service.RequestSizes;
import io.github.sparkmixtral.service.RequestSizes.Size;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Counts what the rows of a partition ask for. Rows are read and checked as when they are answered; only the heads of the model's files
 * are looked at.
 *
 * @param mostSampled rows that the sample may have
 */
public record RowCheck(Generation generation, int mostSampled) implements FlatMapFunction<Iterator<Row>, CheckedRows> {
    private static final Logger LOG = LoggerFactory.getLogger(RowCheck.class);

    /** The one that this JVM has read last. */
    private static final Map<EngineIdentity, ModelOutline> HEADS = new ConcurrentHashMap<>();

    /** Checks rows that have the columns of the input's. */
    public CheckedRows of(Input input, Dataset<Row> rows) {
        return input.asked(rows).javaRDD().mapPartitions(this).treeReduce(CheckedRows::plus);
    }

    @Override
    public Iterator<CheckedRows> call(Iterator<Row> rows) {
        EngineIdentity engine = generation.options().engine();
        ModelOutline model = model(engine);
        EngineMemory memory = EngineMemory.here(model, engine, ExecutorMemory.limit());
        RequestSizes sizes = sizes(model, engine, memory);
        CheckedRows checked = new CheckedRows(mostSampled, memory);
        while (rows.hasNext()) {
            Row row = rows.next();
            PromptRow prompt = generation.reader().read(row);
            checked.add(
                    row,
                    prompt,
                    prompt.request() == null ? new Size(0, 0, prompt.error()) : sizes.of(prompt.request()));
        }
        return List.of(checked).iterator();
    }

    private ModelOutline model(EngineIdentity engine) {
        HEADS.keySet().removeIf(other -> !other.equals(engine));
        return HEADS.computeIfAbsent(
                engine,
                _ -> engine.models(generation.configuration().value(), LOG::info)
                        .outline(engine.model()));
    }

    private RequestSizes sizes(ModelOutline model, EngineIdentity engine, EngineMemory memory) {
        try {
            return new RequestSizes(
                    model.description(engine.quantization()),
                    engine.maxModelLen(),
                    memory.shared() ? memory.cacheTokens() : Long.MAX_VALUE,
                    generation.options().defaults(),
                    generation.tools());
        } catch (IllegalArgumentException e) {
            throw JobException.usage(OptionValues.inOptionSpelling(e.getMessage()));
        }
    }
}
