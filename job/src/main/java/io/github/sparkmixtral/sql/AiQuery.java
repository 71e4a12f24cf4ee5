package io.github.sparkmixtral.sql;

import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.job.options.OutputColumnType;
import io.github.sparkmixtral.service.ParametersReader;
import java.io.Serializable;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeSet;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.analysis.TypeCheckResult;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.Unevaluable;
import org.apache.spark.sql.catalyst.expressions.UserDefinedExpression;
import org.apache.spark.sql.catalyst.expressions.codegen.CodegenContext;
import org.apache.spark.sql.catalyst.expressions.codegen.ExprCode;
import org.apache.spark.sql.types.BooleanType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.NullType;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructType;
import scala.collection.immutable.IndexedSeq;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;

/**
 * A call of {@code ai_query}. It never computes anything itself: {@link ExtractAiQueries} replaces it by a column of an {@link
 * AiQueryPlan} before the query runs.
 *
 * <p>It says that it is not deterministic although it is: Spark repeats deterministic expressions at will, and every repetition
 * would be an answer. It is unevaluable, or Spark would compute it over literal rows while it optimizes.
 */
public final class AiQuery extends Expression implements Serializable, UserDefinedExpression, Unevaluable {
    private static final long serialVersionUID = 1L;
    static final String NAME = "ai_query";

    /** Model, prompt, parameters, response format, whether to fail. */
    private final List<Expression> arguments;

    AiQuery(List<Expression> arguments) {
        this.arguments = List.copyOf(arguments);
    }

    Expression prompt() {
        return arguments.get(1);
    }

    Expression modelParameters() {
        return arguments.get(2);
    }

    Expression responseFormat() {
        return arguments.get(3);
    }

    /** Whether a row that cannot be answered fails the query. */
    boolean failsOnError() {
        return !Boolean.FALSE.equals(arguments.get(4).eval(null));
    }

    /**
     * The struct that a {@code responseFormat} which is a type of Spark's SQL wants answers to be; empty for answers that are text.
     *
     * @throws IllegalArgumentException where it is neither JSON nor such a type, saying what it must be
     */
    Optional<StructType> responseType() {
        if (!responseFormat().foldable() || !(responseFormat().dataType() instanceof StringType)) {
            return Optional.empty();
        }
        Object format = responseFormat().eval(null);
        if (format == null || format.toString().strip().startsWith("{")) {
            return Optional.empty();
        }
        try {
            if (OutputColumnType.parse(format.toString()) instanceof StructType struct && struct.length() == 1) {
                return Optional.of(struct);
            }
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("responseFormat " + e.getMessage(), e);
        }
        throw new IllegalArgumentException(
                "responseFormat must be a STRUCT with one field, whose value is the answer, such as STRUCT<result:"
                        + " STRUCT<name: STRING, age: INT>>, not " + format);
    }

    private String model() {
        Object model = arguments.get(0).eval(null);
        return model == null ? "" : model.toString();
    }

    /**
     * The options that the model's name stands for.
     *
     * @throws IllegalArgumentException where there is none of that name, or an option is wrong
     */
    GenerationOptions options() {
        return NamedModels.options(model());
    }

    @Override
    public TypeCheckResult checkInputDataTypes() {
        return fault().<TypeCheckResult>map(TypeCheckResult.TypeCheckFailure::new)
                .orElse(TypeCheckResult.TypeCheckSuccess$.MODULE$);
    }

    private Optional<String> fault() {
        if (!arguments.get(0).foldable() || !(arguments.get(0).dataType() instanceof StringType)) {
            return Optional.of(
                    "the model must be a literal text: a path, or a name that spark.mixtral.models.<name> sets");
        }
        if (!isText(prompt())) {
            return Optional.of(
                    "the prompt must be a text, not " + prompt().dataType().simpleString() + ": cast it to string");
        }
        if (!isText(responseFormat())) {
            return Optional.of("responseFormat must be a text, not "
                    + responseFormat().dataType().simpleString());
        }
        Expression fails = arguments.get(4);
        if (!fails.foldable() || !(fails.dataType() instanceof BooleanType)) {
            return Optional.of("failOnError must be true or false, as a literal");
        }
        try {
            options();
            responseType();
        } catch (IllegalArgumentException e) {
            return Optional.of(e.getMessage());
        }
        return parameterFault();
    }

    private static boolean isText(Expression expression) {
        return expression.dataType() instanceof StringType || expression.dataType() instanceof NullType;
    }

    private Optional<String> parameterFault() {
        if (modelParameters().dataType() instanceof NullType) {
            return Optional.empty();
        }
        if (!(modelParameters().dataType() instanceof StructType struct)) {
            return Optional.of(
                    "modelParameters must be a struct such as named_struct('max_tokens', 64, 'temperature', 0.0), not "
                            + modelParameters().dataType().simpleString());
        }
        return Arrays.stream(struct.fieldNames())
                .filter(name -> !ParametersReader.NAMES.contains(name))
                .findFirst()
                .map(name -> "modelParameters has no parameter " + name + "; known are "
                        + String.join(", ", new TreeSet<>(ParametersReader.NAMES)));
    }

    @Override
    public DataType dataType() {
        DataType answer = responseType().map(type -> type.apply(0).dataType()).orElse(DataTypes.StringType);
        return failsOnError()
                ? answer
                : new StructType().add("response", answer).add("errorMessage", DataTypes.StringType);
    }

    @Override
    public boolean nullable() {
        return true;
    }

    @Override
    public boolean deterministic() {
        return false;
    }

    @Override
    public boolean foldable() {
        return false;
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public String prettyName() {
        return NAME;
    }

    @Override
    public Object eval(InternalRow row) {
        throw new UnsupportedOperationException(
                NAME + " stands where it cannot be batched: put it into a subquery's SELECT list");
    }

    @Override
    public ExprCode doGenCode(CodegenContext context, ExprCode code) {
        throw new UnsupportedOperationException(
                NAME + " stands where it cannot be batched: put it into a subquery's SELECT list");
    }

    @Override
    public Seq<Expression> children() {
        return CollectionConverters.asScala(arguments).toSeq();
    }

    @Override
    public Expression withNewChildrenInternal(IndexedSeq<Expression> children) {
        return new AiQuery(CollectionConverters.asJava(children));
    }

    @Override
    public int productArity() {
        return arguments.size();
    }

    @Override
    public Object productElement(int index) {
        return arguments.get(index);
    }

    @Override
    public boolean canEqual(Object other) {
        return other instanceof AiQuery;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof AiQuery query && arguments.equals(query.arguments);
    }

    @Override
    public int hashCode() {
        return Objects.hash(NAME, arguments);
    }

    /** A literal null, for an argument that is left out. */
    static Expression absent() {
        return Literal.create(null, DataTypes.NullType);
    }
}
