package io.github.sparkmixtral.job.estimate;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.inference.Generation;
import io.github.sparkmixtral.job.input.Input;
import io.github.sparkmixtral.job.input.PromptRow;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.memory.AvailableMemory;
import io.github.sparkmixtral.model.ModelDescription;
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
    private static final Map<EngineIdentity, ModelDescription> HEADS = new ConcurrentHashMap<>();

    /** Checks rows that have the columns of the input's. */
    public CheckedRows of(Input input, Dataset<Row> rows) {
        return input.asked(rows).javaRDD().mapPartitions(this).treeReduce(CheckedRows::plus);
    }

    @Override
    public Iterator<CheckedRows> call(Iterator<Row> rows) {
        RequestSizes sizes = sizes();
        CheckedRows checked = new CheckedRows(mostSampled, new AvailableMemory().bytes());
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

    private RequestSizes sizes() {
        EngineIdentity engine = generation.options().engine();
        HEADS.keySet().removeIf(other -> !other.equals(engine));
        ModelDescription model = HEADS.computeIfAbsent(
                engine,
                _ -> engine.models(generation.configuration().value(), LOG::info)
                        .describe(engine.model(), engine.quantization()));
        try {
            return new RequestSizes(
                    model, engine.maxModelLen(), generation.options().defaults(), generation.tools());
        } catch (IllegalArgumentException e) {
            throw JobException.usage(OptionValues.inOptionSpelling(e.getMessage()));
        }
    }
}
