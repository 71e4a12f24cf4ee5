package io.github.sparkmixtral.sql;

import java.util.List;
import java.util.Locale;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.FunctionIdentifier;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.ExpressionInfo;
import org.apache.spark.sql.catalyst.expressions.LambdaFunction;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.plans.logical.FunctionSignature;
import org.apache.spark.sql.catalyst.plans.logical.InputParameter;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.NamedParametersSupport$;
import org.apache.spark.sql.execution.SparkPlan;
import org.apache.spark.sql.execution.SparkStrategy;
import scala.Option;
import scala.Tuple3;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.AbstractFunction1;
import scala.runtime.BoxedUnit;

/**
 * Gives a session the function {@code ai_query(model, prompt [, modelParameters => struct] [, responseFormat => text] [, failOnError
 * => boolean])}: {@code spark.sql.extensions=io.github.sparkmixtral.sql.MixtralExtensions}.
 */
public final class MixtralExtensions extends AbstractFunction1<SparkSessionExtensions, BoxedUnit> {
    private static final FunctionSignature SIGNATURE = new FunctionSignature(seq(List.of(
            new InputParameter("model", Option.empty()),
            new InputParameter("prompt", Option.empty()),
            new InputParameter("modelParameters", Option.apply(AiQuery.absent())),
            new InputParameter("responseFormat", Option.apply(AiQuery.absent())),
            new InputParameter(
                    "failOnError",
                    Option.apply(Literal.create(true, org.apache.spark.sql.types.DataTypes.BooleanType))))));

    @Override
    public BoxedUnit apply(SparkSessionExtensions extensions) {
        extensions.injectFunction(
                new Tuple3<>(new FunctionIdentifier(AiQuery.NAME), information(), MixtralExtensions::call));
        extensions.injectCheckRule(_ -> plan -> {
            check(plan);
            return BoxedUnit.UNIT;
        });
        extensions.injectOptimizerRule(_ -> new ExtractAiQueries());
        extensions.injectPlannerStrategy(_ -> new Strategy());
        return BoxedUnit.UNIT;
    }

    private static ExpressionInfo information() {
        return new ExpressionInfo(AiQuery.class.getName(), null, AiQuery.NAME, """
                ai_query(model, prompt [, modelParameters => struct] [, responseFormat => text] [, failOnError => boolean]) - \
                Answers the prompt with Mixtral. The model is a path, or a name that spark.mixtral.models.<name> sets. A \
                responseFormat such as 'STRUCT<result: ARRAY<STRING>>' gives the value of its one field. With \
                failOnError => false the result is a struct of response and errorMessage.""", "");
    }

    private static Expression call(Seq<Expression> arguments) {
        Seq<Expression> positional = NamedParametersSupport$.MODULE$.defaultRearrange(
                SIGNATURE,
                arguments,
                AiQuery.NAME,
                (left, right) -> left.toLowerCase(Locale.ROOT).equals(right.toLowerCase(Locale.ROOT)));
        return new AiQuery(CollectionConverters.asJava(positional));
    }

    /** A function of each element runs inside of an expression, where nothing can be batched. */
    private static void check(LogicalPlan plan) {
        CollectionConverters.asJava(plan.children()).forEach(MixtralExtensions::check);
        for (Expression expression : CollectionConverters.asJava(plan.expressions())) {
            check(expression, false);
        }
    }

    private static void check(Expression expression, boolean inLambda) {
        if (expression instanceof AiQuery && inLambda) {
            throw new IllegalArgumentException(
                    "ai_query cannot be called inside of transform, filter or another function of each element: explode the"
                            + " array, ask, and collect_list the answers");
        }
        for (Expression child : CollectionConverters.asJava(expression.children())) {
            check(child, inLambda || expression instanceof LambdaFunction);
        }
    }

    private static final class Strategy extends SparkStrategy {
        @Override
        public Seq<SparkPlan> apply(LogicalPlan plan) {
            return plan instanceof AiQueryPlan query
                    ? seq(List.of(new AiQueryExec(query.call(), query.result(), planLater(query.child()))))
                    : seq(List.of());
        }
    }

    private static <T> Seq<T> seq(List<T> list) {
        return CollectionConverters.asScala(list).toSeq();
    }
}
