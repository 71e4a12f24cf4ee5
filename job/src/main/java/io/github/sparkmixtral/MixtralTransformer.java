package io.github.sparkmixtral;

import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsWritable;
import org.apache.spark.ml.util.Identifiable$;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructType;

/**
 * Mixtral as a stage of a Spark ML pipeline: what {@link Mixtral#generate} does, with options as parameters.
 *
 * <pre>{@code
 * MixtralTransformer answer =
 *         new MixtralTransformer().setModel("/models/mixtral.gguf").setMaxTokens(64).setOutputCol("answer");
 * Dataset<Row> answers = answer.transform(spark.table("questions"));
 * }</pre>
 *
 * <p>It is saved, loaded and copied with its parameters alone; the model stays where it is. It needs Spark's module {@code
 * spark-mllib}, which nothing else here does.
 */
public final class MixtralTransformer extends MixtralParameters implements DefaultParamsWritable {

    public MixtralTransformer() {
        this(Identifiable$.MODULE$.randomUID("mixtral"));
    }

    /** With a given name among the stages of a pipeline, as where it is read back. */
    public MixtralTransformer(String uid) {
        super(uid);
    }

    /** Reads what {@link #save} has written. */
    public static MLReader<MixtralTransformer> read() {
        return new DefaultParamsReader<>();
    }

    /** Reads what {@link #save} has written at that path. */
    public static MixtralTransformer load(String path) {
        return read().load(path);
    }

    /**
     * Answers a table; lazy.
     *
     * @throws IllegalArgumentException naming the option, its value and what is wanted, or where the columns are no table of prompts
     * @throws io.github.sparkmixtral.file.ModelException where the model is no Mixtral, or cannot be read
     */
    @Override
    public Dataset<Row> transform(Dataset<?> table) {
        transformSchema(table.schema());
        return Mixtral.load(table.sparkSession(), values()).generate(table.toDF());
    }

    /**
     * The columns of the answers to a table with those columns. The model is not looked at.
     *
     * @throws IllegalArgumentException as {@link #transform} does
     */
    @Override
    public StructType transformSchema(StructType schema) {
        return Mixtral.schema(schema, values());
    }

    @Override
    public MixtralTransformer copy(ParamMap extra) {
        return defaultCopy(extra);
    }

    public MixtralTransformer setModel(String value) {
        set(model(), value);
        return this;
    }

    public MixtralTransformer setMaxTokens(int value) {
        set(maxTokens(), value);
        return this;
    }

    public MixtralTransformer setMinTokens(int value) {
        set(minTokens(), value);
        return this;
    }

    public MixtralTransformer setTemperature(double value) {
        set(temperature(), value);
        return this;
    }

    public MixtralTransformer setTopP(double value) {
        set(topP(), value);
        return this;
    }

    public MixtralTransformer setTopK(int value) {
        set(topK(), value);
        return this;
    }

    public MixtralTransformer setMinP(double value) {
        set(minP(), value);
        return this;
    }

    public MixtralTransformer setRepetitionPenalty(double value) {
        set(repetitionPenalty(), value);
        return this;
    }

    public MixtralTransformer setSeed(long value) {
        set(seed(), value);
        return this;
    }

    public MixtralTransformer setStop(String[] value) {
        set(stop(), value);
        return this;
    }

    public MixtralTransformer setN(int value) {
        set(n(), value);
        return this;
    }

    public MixtralTransformer setLogprobs(int value) {
        set(logprobs(), value);
        return this;
    }

    public MixtralTransformer setResponseFormat(String value) {
        set(responseFormat(), value);
        return this;
    }

    public MixtralTransformer setOutputColumnType(String value) {
        set(outputColumnType(), value);
        return this;
    }

    public MixtralTransformer setRequireComplete(boolean value) {
        set(requireComplete(), value);
        return this;
    }

    public MixtralTransformer setSystemPrompt(String value) {
        set(systemPrompt(), value);
        return this;
    }

    public MixtralTransformer setSafePrompt(boolean value) {
        set(safePrompt(), value);
        return this;
    }

    public MixtralTransformer setPromptTemplate(String value) {
        set(promptTemplate(), value);
        return this;
    }

    public MixtralTransformer setPromptCol(String value) {
        set(promptCol(), value);
        return this;
    }

    public MixtralTransformer setMessagesCol(String value) {
        set(messagesCol(), value);
        return this;
    }

    public MixtralTransformer setIdCol(String value) {
        set(idCol(), value);
        return this;
    }

    public MixtralTransformer setOutputCol(String value) {
        set(outputCol(), value);
        return this;
    }

    public MixtralTransformer setTask(String value) {
        set(task(), value);
        return this;
    }

    public MixtralTransformer setQuantization(String value) {
        set(quantization(), value);
        return this;
    }

    public MixtralTransformer setBackend(String value) {
        set(backend(), value);
        return this;
    }

    public MixtralTransformer setMaxNumSeqs(int value) {
        set(maxNumSeqs(), value);
        return this;
    }

    public MixtralTransformer setKvCacheMemory(String value) {
        set(kvCacheMemory(), value);
        return this;
    }

    public MixtralTransformer setOptions(String value) {
        set(options(), value);
        return this;
    }
}
