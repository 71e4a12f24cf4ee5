package io.github.sparkmixtral.job;

import java.io.Serializable;
import java.util.Iterator;
import java.util.Optional;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.util.LongAccumulator;
import org.apache.spark.util.SerializableConfiguration;

/**
 * Answers the rows of a partition on the executor's engine.
 *
 * @param configuration Hadoop's, for fetching the model
 * @param inputColumns how many of a row's columns are the input's own
 * @param modelName what the column {@code model} says
 * @param severalOutputs whether there is a column {@code outputs}
 * @param logprobs whether there is a column {@code logprobs}
 */
record Generation(
        EngineSettings settings,
        SerializableConfiguration configuration,
        RequestReader reader,
        int inputColumns,
        String modelName,
        boolean severalOutputs,
        boolean logprobs,
        Done done)
        implements MapPartitionsFunction<Row, Row> {

    /** What a task has done so far. */
    record Done(
            LongAccumulator rows,
            LongAccumulator errors,
            LongAccumulator promptTokens,
            LongAccumulator completionTokens)
            implements Serializable {}

    @Override
    public Iterator<Row> call(Iterator<Row> rows) throws InterruptedException {
        TaskContext task = TaskContext.get();
        Optional<String> gpu =
                Optional.ofNullable(task.resourcesJMap().get("gpu")).map(resource -> resource.addresses()[0]);
        ExecutorEngine engine = ExecutorEngine.of(settings, gpu, configuration.value());
        return new AnsweredRows(this, engine, task, rows);
    }
}
