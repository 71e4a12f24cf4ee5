package io.github.sparkmixtral.sql;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.catalyst.expressions.Alias;
import org.apache.spark.sql.catalyst.expressions.And;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.AttributeReference;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.NamedExpression;
import org.apache.spark.sql.catalyst.plans.logical.Aggregate;
import org.apache.spark.sql.catalyst.plans.logical.Filter;
import org.apache.spark.sql.catalyst.plans.logical.LocalLimit;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.Project;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.types.Metadata;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Takes calls of {@code ai_query} out of expressions and puts {@link AiQueryPlan}s below them, equal calls once and inner calls
 * first. As Spark does not know the operator, the rule also keeps it small: filters and limits that do not need the answer go below
 * it, and an answer that nobody needs is not asked for.
 */
final class ExtractAiQueries extends Rule<LogicalPlan> {

    @Override
    public LogicalPlan apply(LogicalPlan plan) {
        LogicalPlan below = plan.mapChildren(this::apply);
        LogicalPlan extracted = below instanceof AiQueryPlan || !below.resolved() ? below : withoutCalls(below);
        return smaller(extracted);
    }

    private static LogicalPlan withoutCalls(LogicalPlan plan) {
        LogicalPlan current = plan;
        for (List<AiQuery> calls = calls(current); !calls.isEmpty(); calls = calls(current)) {
            current =
                    current instanceof Aggregate aggregate ? aboveAggregate(aggregate, calls) : extract(current, calls);
            if (!(current instanceof Project)) {
                return current;
            }
            if (calls(current).isEmpty() && current.output().equals(plan.output())) {
                return current;
            }
        }
        return current;
    }

    /** The calls that have no call inside, each once. */
    private static List<AiQuery> calls(LogicalPlan plan) {
        if (plan instanceof AiQueryPlan) {
            return List.of();
        }
        Map<AiQuery, Boolean> found = new LinkedHashMap<>();
        CollectionConverters.asJava(plan.expressions()).forEach(expression -> collect(expression, found));
        return new ArrayList<>(found.keySet());
    }

    private static boolean collect(Expression expression, Map<AiQuery, Boolean> found) {
        boolean inside = false;
        for (Expression child : CollectionConverters.asJava(expression.children())) {
            inside |= collect(child, found);
        }
        if (expression instanceof AiQuery call) {
            if (!inside) {
                found.put(call, true);
            }
            return true;
        }
        return inside;
    }

    private static LogicalPlan extract(LogicalPlan plan, List<AiQuery> calls) {
        Map<AiQuery, Attribute> results = new LinkedHashMap<>();
        List<LogicalPlan> children = new ArrayList<>(CollectionConverters.asJava(plan.children()));
        for (AiQuery call : calls) {
            for (int i = 0; i < children.size() && !results.containsKey(call); i++) {
                if (call.references().subsetOf(children.get(i).outputSet())) {
                    Attribute result = attribute(call);
                    children.set(i, new AiQueryPlan(call, result, children.get(i)));
                    results.put(call, result);
                }
            }
            if (!results.containsKey(call)) {
                throw new UnsupportedOperationException(
                        "ai_query takes columns of several tables here: join them in a subquery first");
            }
        }
        LogicalPlan changed =
                plan.withNewChildren(seq(children)).mapExpressions(expression -> replaced(expression, results));
        if (changed.output().equals(plan.output())) {
            return changed;
        }
        return new Project(named(plan.output()), changed);
    }

    /** The answers to groups come after they are formed. */
    private static LogicalPlan aboveAggregate(Aggregate aggregate, List<AiQuery> calls) {
        List<NamedExpression> inner = new ArrayList<>();
        Map<Expression, Attribute> inputs = new LinkedHashMap<>();
        List<NamedExpression> outer = new ArrayList<>();
        for (NamedExpression expression : CollectionConverters.asJava(aggregate.aggregateExpressions())) {
            List<AiQuery> own = new ArrayList<>();
            Map<AiQuery, Boolean> found = new LinkedHashMap<>();
            collect((Expression) expression, found);
            own.addAll(found.keySet());
            if (own.isEmpty()) {
                inner.add(expression);
                outer.add(expression.toAttribute());
                continue;
            }
            outer.add((NamedExpression) lifted((Expression) expression, inputs, inner));
        }
        LogicalPlan formed =
                new Aggregate(aggregate.groupingExpressions(), seq(inner), aggregate.child(), aggregate.hint());
        return new Project(seq(outer), formed);
    }

    /** The expression over the aggregate's output: what is below a call becomes columns of the aggregate. */
    private static Expression lifted(
            Expression expression, Map<Expression, Attribute> inputs, List<NamedExpression> inner) {
        Map<AiQuery, Boolean> found = new LinkedHashMap<>();
        boolean holdsCall = collect(expression, found);
        if (holdsCall) {
            return expression.mapChildren(child -> lifted(child, inputs, inner));
        }
        if (expression.foldable()) {
            return expression;
        }
        Attribute known = inputs.get(expression);
        if (known == null) {
            Alias alias = new Alias(
                    expression,
                    "_ai_query_input",
                    NamedExpression.newExprId(),
                    seq(List.of()),
                    scala.Option.empty(),
                    seq(List.of()));
            inner.add(alias);
            known = alias.toAttribute();
            inputs.put(expression, known);
        }
        return known;
    }

    private static Attribute attribute(AiQuery call) {
        return new AttributeReference(
                AiQuery.NAME, call.dataType(), true, Metadata.empty(), NamedExpression.newExprId(), seq(List.of()));
    }

    private static Expression replaced(Expression expression, Map<AiQuery, Attribute> results) {
        Expression changed = expression.mapChildren(child -> replaced(child, results));
        return changed instanceof AiQuery call && results.containsKey(call) ? results.get(call) : changed;
    }

    private static LogicalPlan smaller(LogicalPlan plan) {
        return switch (plan) {
            case Filter filter when filter.child() instanceof AiQueryPlan query -> filterBelow(filter, query);
            case Project project
            when project.child() instanceof AiQueryPlan query
                    && !project.references().contains(query.result()) ->
                new Project(project.projectList(), query.child());
            case LocalLimit limit when limit.child() instanceof AiQueryPlan query -> limitBelow(limit, query, null);
            case LocalLimit limit
            when limit.child() instanceof Project project && project.child() instanceof AiQueryPlan query ->
                limitBelow(limit, query, project);
            default -> plan;
        };
    }

    private static LogicalPlan limitBelow(LocalLimit limit, AiQueryPlan query, Project between) {
        if (query.child() instanceof LocalLimit) {
            return limit;
        }
        LogicalPlan limited = query.over(new LocalLimit(limit.limitExpr(), query.child()));
        return new LocalLimit(
                limit.limitExpr(), between == null ? limited : new Project(between.projectList(), limited));
    }

    private static LogicalPlan filterBelow(Filter filter, AiQueryPlan query) {
        List<Expression> below = new ArrayList<>();
        List<Expression> above = new ArrayList<>();
        split(filter.condition(), below, above, query);
        if (below.isEmpty()) {
            return filter;
        }
        LogicalPlan filtered = query.over(new Filter(all(below), query.child()));
        return above.isEmpty() ? filtered : new Filter(all(above), filtered);
    }

    private static void split(Expression condition, List<Expression> below, List<Expression> above, AiQueryPlan query) {
        if (condition instanceof And and) {
            split(and.left(), below, above, query);
            split(and.right(), below, above, query);
        } else if (condition.deterministic()
                && condition.references().subsetOf(query.child().outputSet())) {
            below.add(condition);
        } else {
            above.add(condition);
        }
    }

    private static Expression all(List<Expression> conditions) {
        return conditions.stream().reduce(And::new).orElseThrow();
    }

    private static Seq<NamedExpression> named(Seq<Attribute> attributes) {
        return seq(new ArrayList<NamedExpression>(CollectionConverters.asJava(attributes)));
    }

    private static <T> Seq<T> seq(List<T> list) {
        return CollectionConverters.asScala(list).toSeq();
    }
}
