package io.github.sparkmixtral.sql;

import io.github.sparkmixtral.job.inference.AnswerParser;
import io.github.sparkmixtral.job.model.ModelCache;
import io.github.sparkmixtral.job.options.GenerationOptions;
import java.util.Iterator;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.rdd.RDD;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.AttributeSet;
import org.apache.spark.sql.catalyst.expressions.AttributeSet$;
import org.apache.spark.sql.catalyst.expressions.SortOrder;
import org.apache.spark.sql.catalyst.plans.physical.Partitioning;
import org.apache.spark.sql.execution.SparkPlan;
import org.apache.spark.sql.execution.UnaryExecNode;
import org.apache.spark.sql.execution.metric.SQLMetric;
import org.apache.spark.sql.execution.metric.SQLMetrics;
import org.apache.spark.util.SerializableConfiguration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.Function1;
import scala.collection.immutable.IndexedSeq;
import scala.collection.immutable.Map;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;

/** Runs an {@link AiQueryPlan}: every partition's rows are asked together, and come out in their order. Public for
 * Spark, which copies plans by reflection. */
public final class AiQueryExec extends SparkPlan implements UnaryExecNode {
    private static final Logger LOG = LoggerFactory.getLogger(AiQueryExec.class);

    private static final long serialVersionUID = 1L;

    private final AiQuery call;
    private final Attribute result;
    private final SparkPlan child;
    private final Map<String, SQLMetric> metrics;

    public AiQueryExec(AiQuery call, Attribute result, SparkPlan child) {
        this.call = call;
        this.result = result;
        this.child = child;
        this.metrics = scala.collection.immutable.Map$.MODULE$.from(CollectionConverters.asScala(java.util.Map.of(
                "numOutputRows", SQLMetrics.createMetric(sparkContext(), "number of rows"),
                "numAnswers", SQLMetrics.createMetric(sparkContext(), "number of answers"),
                "promptTokens", SQLMetrics.createMetric(sparkContext(), "prompt tokens"),
                "completionTokens", SQLMetrics.createMetric(sparkContext(), "completion tokens"))));
    }

    @Override
    public SparkPlan child() {
        return child;
    }

    @Override
    public Map<String, SQLMetric> metrics() {
        return metrics;
    }

    @Override
    public RDD<InternalRow> doExecute() {
        GenerationOptions named = call.options();
        Configuration hadoop = session().sessionState().newHadoopConf();
        GenerationOptions options = named.on(named.engine().pinned(hadoop, LOG::info));
        SerializableConfiguration configuration =
                new SerializableConfiguration(ModelCache.sent(options.engine().model(), hadoop));
        PartitionQuestions questions = new PartitionQuestions(
                PartitionQuestions.bound(call.prompt(), child.output()),
                PartitionQuestions.bound(call.modelParameters(), child.output()),
                PartitionQuestions.bound(call.responseFormat(), child.output()),
                call.responseType().map(type -> new AnswerParser(type, true)).orElse(null),
                call.failsOnError(),
                call.failsOnError() ? "failOnError => false gives a struct with the error instead" : "",
                session().sessionState().conf().sessionLocalTimeZone(),
                metrics.apply("numAnswers"),
                metrics.apply("promptTokens"),
                metrics.apply("completionTokens"));
        Ask ask = new Ask(questions, options, configuration, types(), metrics.apply("numOutputRows"));
        return child.execute().toJavaRDD().mapPartitions(ask).rdd();
    }

    private org.apache.spark.sql.types.DataType[] types() {
        return CollectionConverters.asJava(output()).stream()
                .map(Attribute::dataType)
                .toArray(org.apache.spark.sql.types.DataType[]::new);
    }

    /** What a task runs. */
    private record Ask(
            PartitionQuestions questions,
            GenerationOptions options,
            SerializableConfiguration configuration,
            org.apache.spark.sql.types.DataType[] types,
            SQLMetric rows)
            implements FlatMapFunction<Iterator<InternalRow>, InternalRow> {

        @Override
        public Iterator<InternalRow> call(Iterator<InternalRow> input) throws InterruptedException {
            Configuration hadoop = configuration.value();
            return PartitionQuestions.answered(questions, options, hadoop, types, rows, input);
        }
    }

    @Override
    public Seq<Attribute> output() {
        return child.output().appended(result).toSeq();
    }

    @Override
    public AttributeSet producedAttributes() {
        return AttributeSet$.MODULE$.apply(result);
    }

    @Override
    public Partitioning outputPartitioning() {
        return child.outputPartitioning();
    }

    @Override
    public Seq<SortOrder> outputOrdering() {
        return child.outputOrdering();
    }

    @Override
    public Seq<SparkPlan> children() {
        return CollectionConverters.asScala(List.of(child)).toSeq();
    }

    @Override
    public SparkPlan withNewChildrenInternal(IndexedSeq<SparkPlan> children) {
        return withNewChildInternal(children.head());
    }

    @Override
    public SparkPlan withNewChildInternal(SparkPlan other) {
        return new AiQueryExec(call, result, other);
    }

    @Override
    public SparkPlan mapChildren(Function1<SparkPlan, SparkPlan> function) {
        SparkPlan changed = function.apply(child);
        return changed.fastEquals(child) ? this : new AiQueryExec(call, result, changed);
    }

    @Override
    public int productArity() {
        return 3;
    }

    @Override
    public Object productElement(int index) {
        return switch (index) {
            case 0 -> call;
            case 1 -> result;
            case 2 -> child;
            default -> throw new IndexOutOfBoundsException(index);
        };
    }

    @Override
    public boolean canEqual(Object other) {
        return other instanceof AiQueryExec;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof AiQueryExec exec
                && call.equals(exec.call)
                && result.equals(exec.result)
                && child.equals(exec.child);
    }

    @Override
    public int hashCode() {
        return java.util.Objects.hash(call, result, child);
    }
}
