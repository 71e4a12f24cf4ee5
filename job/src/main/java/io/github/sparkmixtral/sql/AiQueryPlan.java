package io.github.sparkmixtral.sql;

import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.AttributeSet;
import org.apache.spark.sql.catalyst.expressions.AttributeSet$;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.UnaryNode;
import scala.Function1;
import scala.collection.immutable.IndexedSeq;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;

/** The rows of the child with one column more: the answers of a call. Public for Spark, which copies plans by reflection. */
public final class AiQueryPlan extends LogicalPlan implements UnaryNode {
    private final AiQuery call;
    private final Attribute result;
    private final LogicalPlan child;

    public AiQueryPlan(AiQuery call, Attribute result, LogicalPlan child) {
        this.call = call;
        this.result = result;
        this.child = child;
    }

    AiQuery call() {
        return call;
    }

    Attribute result() {
        return result;
    }

    @Override
    public LogicalPlan child() {
        return child;
    }

    AiQueryPlan over(LogicalPlan other) {
        return new AiQueryPlan(call, result, other);
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
    public Seq<LogicalPlan> children() {
        return CollectionConverters.asScala(java.util.List.of(child)).toSeq();
    }

    @Override
    public LogicalPlan withNewChildrenInternal(IndexedSeq<LogicalPlan> children) {
        return over(children.head());
    }

    @Override
    public LogicalPlan withNewChildInternal(LogicalPlan other) {
        return over(other);
    }

    @Override
    public LogicalPlan mapChildren(Function1<LogicalPlan, LogicalPlan> function) {
        LogicalPlan changed = function.apply(child);
        return changed.fastEquals(child) ? this : over(changed);
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
        return other instanceof AiQueryPlan;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof AiQueryPlan plan
                && call.equals(plan.call)
                && result.equals(plan.result)
                && child.equals(plan.child);
    }

    @Override
    public int hashCode() {
        return java.util.Objects.hash(call, result, child);
    }
}
