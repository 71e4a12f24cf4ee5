package io.github.sparkmixtral.job.inference;

import io.github.sparkmixtral.agent.AgentTool;
import io.github.sparkmixtral.agent.Search;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.job.input.Input;
import io.github.sparkmixtral.job.input.Passage;
import io.github.sparkmixtral.job.input.PromptRow;
import io.github.sparkmixtral.job.input.RequestReader;
import io.github.sparkmixtral.job.model.ModelCache;
import io.github.sparkmixtral.job.options.ContextRetrieval;
import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.job.options.OutputColumns;
import io.github.sparkmixtral.job.output.ChunkCommitProtocol;
import io.github.sparkmixtral.job.output.SlowRow;
import io.github.sparkmixtral.job.retrieval.ContextIndex;
import io.github.sparkmixtral.job.retrieval.IndexDirectory;
import io.github.sparkmixtral.job.retrieval.LocatedIndex;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkContext;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.expressions.GenericRowWithSchema;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.LongAccumulator;
import org.apache.spark.util.SerializableConfiguration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Answers the rows of a partition on the executor's engine.
 *
 * @param configuration Hadoop's, for fetching the model
 * @param index that passages are taken from; null for none
 * @param inputColumns how many of a row's columns are the input's own
 * @param schema of the rows that come out, which carry it: Spark may hand them to the next function as they are
 * @param asked which columns there are that are not always there
 * @param parser of the columns {@code parsed}; null where there are none
 * @param limits after which no more rows are taken
 * @param done null where nobody counts
 */
public record Generation(
        GenerationOptions options,
        SerializableConfiguration configuration,
        RequestReader reader,
        LocatedIndex index,
        int inputColumns,
        StructType schema,
        OutputColumns.Asked asked,
        AnswerParser parser,
        RunLimits limits,
        Done done)
        implements MapPartitionsFunction<Row, Row>, AnsweredRows.Questions<Asked, Row> {

    private static final Logger LOG = LoggerFactory.getLogger(Generation.class);

    /** What the tasks have done so far. */
    public record Done(
            LongAccumulator engines,
            LongAccumulator rows,
            LongAccumulator errors,
            LongAccumulator copied,
            LongAccumulator promptTokens,
            LongAccumulator cachedTokens,
            LongAccumulator completionTokens,
            SecondsHistogram seconds,
            SlowestRows slowest,
            ExpertTokens experts)
            implements Serializable {

        /** Tasks whose engine is ready. */
        public static final String ENGINES = "spark-mixtral engines";

        public static final String ROWS = "spark-mixtral rows";
        public static final String ERRORS = "spark-mixtral errors";
        public static final String PROMPT_TOKENS = "spark-mixtral prompt tokens";
        public static final String CACHED_TOKENS = "spark-mixtral cached tokens";
        public static final String COMPLETION_TOKENS = "spark-mixtral completion tokens";

        public static final String COPIED = "spark-mixtral rows answered with an equal row's answer";

        public static Done in(SparkContext context) {
            SecondsHistogram seconds = new SecondsHistogram();
            context.register(seconds, "spark-mixtral seconds");
            SlowestRows slowest = new SlowestRows();
            context.register(slowest, "spark-mixtral slowest rows");
            ExpertTokens experts = new ExpertTokens();
            context.register(experts, "spark-mixtral tokens of experts");
            return new Done(
                    context.longAccumulator(ENGINES),
                    context.longAccumulator(ROWS),
                    context.longAccumulator(ERRORS),
                    context.longAccumulator(COPIED),
                    context.longAccumulator(PROMPT_TOKENS),
                    context.longAccumulator(CACHED_TOKENS),
                    context.longAccumulator(COMPLETION_TOKENS),
                    seconds,
                    slowest,
                    experts);
        }

        private void add(String id, Answers answers, int index) {
            copied.add(answers.copied(index) ? 1 : 0);
            promptTokens.add(answers.promptTokens(index));
            cachedTokens.add(answers.cachedTokens(index));
            completionTokens.add(answers.completionTokens(index));
            seconds.add(answers.seconds(index));
            slowest.add(new SlowRow(
                    id, answers.seconds(index), answers.promptTokens(index), answers.completionTokens(index)));
        }
    }

    /**
     * The answers to an input; lazy.
     *
     * @param rows those of the input, spread as they are to be answered
     * @param done null where nobody counts
     * @throws io.github.sparkmixtral.job.fault.JobException with exit code 2 where passages are wanted, and their index cannot be used
     */
    public static Dataset<Row> answers(
            Dataset<Row> rows,
            Input input,
            GenerationOptions options,
            Configuration configuration,
            RunLimits limits,
            Done done) {
        Generation generation = of(rows, input, options, configuration, limits, done);
        return rows.mapPartitions(generation, Encoders.row(generation.schema));
    }

    /** What answers the rows of an input; the parameters are those of {@link #answers}. */
    public static Generation of(
            Dataset<Row> rows,
            Input input,
            GenerationOptions options,
            Configuration configuration,
            RunLimits limits,
            Done done) {
        OutputColumns.Asked asked = input.survey().columns(options.defaults());
        StructType own = new StructType(Arrays.copyOf(rows.schema().fields(), input.columns()));
        StructType schema = OutputColumns.schema(own, asked, options.columns());
        return new Generation(
                options,
                new SerializableConfiguration(ModelCache.sent(options.engine().model(), configuration)),
                input.reader(),
                IndexDirectory.requireFor(options, configuration),
                input.columns(),
                schema,
                asked,
                AnswerParser.ofRows(options.columns().parsed()),
                limits,
                done);
    }

    @Override
    public Iterator<Row> call(Iterator<Row> rows) throws InterruptedException {
        AnsweredRows<Asked, Row> answered = answered(rows, this);
        if (done != null) {
            done.engines().add(1);
        }
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                boolean more = answered.hasNext();
                if (!more && done != null) {
                    done.experts().add(answered.newExpertTokens());
                }
                if (!more && answered.isStopped()) {
                    ChunkCommitProtocol.stoppedAfter(TaskContext.get(), answered.taken());
                }
                return more;
            }

            @Override
            public Row next() {
                return answered.next();
            }
        };
    }

    /** The rows of a task with what is made of their answers. */
    public <O> AnsweredRows<Asked, O> answered(Iterator<Row> rows, AnsweredRows.Questions<Asked, O> questions)
            throws InterruptedException {
        return new AnsweredRows<>(options, configuration.value(), limits, questions, tools(), asked(rows));
    }

    /** An agent's search, which is closed with the task. */
    public List<AgentTool> tools() {
        if (index == null || options.columns().hasContexts()) {
            return List.of();
        }
        ContextRetrieval retrieval = options.columns().context();
        ContextIndex opened = index.open(options.engine().models(configuration.value(), LOG::info));
        ContextRows.closeWithTask(opened);
        return List.of(
                new Search(question -> opened.search(question, null, retrieval.passages(), retrieval.mode()).stream()
                        .map(Passage::text)
                        .toList()));
    }

    private Iterator<Asked> asked(Iterator<Row> rows) {
        Iterator<Asked> asked = new Iterator<>() {
            @Override
            public boolean hasNext() {
                return rows.hasNext();
            }

            @Override
            public Asked next() {
                Row row = rows.next();
                return new Asked(row, reader.read(row));
            }
        };
        return options.columns().hasContexts() ? new ContextRows(options, index, configuration.value(), asked) : asked;
    }

    @Override
    public PromptRow ask(Asked asked) {
        return asked.prompt();
    }

    @Override
    public Row answered(Asked asked, PromptRow prompt, Answers answers, int place, RequestError incomplete) {
        if (done != null) {
            done.add(prompt.id(), answers, place);
            done.errors().add(incomplete == null ? 0 : 1);
        }
        if (!answers.copied(place)) {
            limits.spend(answers.promptTokens(place) + answers.completionTokens(place));
        }
        return joined(
                asked, prompt, answers.columns(place, options.engine().modelName(), incomplete, this.asked, parser));
    }

    @Override
    public Row failed(Asked asked, PromptRow prompt, RequestError error) {
        if (done != null) {
            done.errors().add(1);
        }
        List<Object> columns = new ArrayList<>(Arrays.asList(
                null, null, null, Answers.error(error), options.engine().modelName(), null));
        int all = schema.size() - inputColumns - 1 - (index == null ? 0 : 1);
        columns.addAll(Collections.nCopies(all - columns.size(), null));
        return joined(asked, prompt, columns);
    }

    private Row joined(Asked asked, PromptRow prompt, List<Object> columns) {
        if (done != null) {
            done.rows().add(1);
        }
        List<Object> values = new ArrayList<>();
        for (int i = 0; i < inputColumns; i++) {
            values.add(asked.row().get(i));
        }
        values.add(prompt.id());
        values.addAll(columns);
        if (index != null) {
            values.add(RowContexts.column(prompt.passages()));
        }
        return new GenericRowWithSchema(values.toArray(), schema);
    }
}
