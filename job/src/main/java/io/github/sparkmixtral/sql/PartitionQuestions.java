package io.github.sparkmixtral.sql;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.inference.AnswerParser;
import io.github.sparkmixtral.job.inference.AnsweredRows;
import io.github.sparkmixtral.job.inference.Answers;
import io.github.sparkmixtral.job.inference.RunLimits;
import io.github.sparkmixtral.job.input.CellValues;
import io.github.sparkmixtral.job.input.PromptRow;
import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.job.options.OutputColumnType;
import io.github.sparkmixtral.service.RowRequest;
import io.github.sparkmixtral.service.RowRequest.Field;
import java.io.Serializable;
import java.time.ZoneId;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.CatalystTypeConverters;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.AttributeReference;
import org.apache.spark.sql.catalyst.expressions.BoundReference;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.catalyst.expressions.JoinedRow;
import org.apache.spark.sql.catalyst.expressions.UnsafeProjection;
import org.apache.spark.sql.execution.metric.SQLMetric;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.NullType;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;

/**
 * What the rows of a partition ask, and their answers as columns. A row has no id: it draws by its prompt, so that equal prompts are
 * answered alike. A null prompt has a null answer.
 *
 * @param prompt bound to the row, as the other expressions
 * @param responseFormat of rows; without meaning where there is a parser
 * @param parser of answers that are a struct with one field, whose value is the answer; null for answers that are text
 * @param wayOut what to do about an error that fails the query
 * @param zone the session's, for timestamps
 */
record PartitionQuestions(
        Expression prompt,
        Expression parameters,
        Expression responseFormat,
        AnswerParser parser,
        boolean failsOnError,
        String wayOut,
        String zone,
        SQLMetric answers,
        SQLMetric promptTokens,
        SQLMetric completionTokens)
        implements AnsweredRows.Questions<InternalRow, InternalRow>, Serializable {

    /** The expression with columns by their place in the row. */
    static Expression bound(Expression expression, Seq<Attribute> input) {
        if (expression instanceof AttributeReference column) {
            List<Attribute> columns = CollectionConverters.asJava(input);
            for (int i = 0; i < columns.size(); i++) {
                if (columns.get(i).exprId().equals(column.exprId())) {
                    return new BoundReference(i, column.dataType(), column.nullable());
                }
            }
            throw new IllegalStateException("ai_query asks for " + column.name() + ", which its input does not have");
        }
        return expression.mapChildren(child -> bound(child, input));
    }

    /** The rows with one column more, in their order. */
    static Iterator<InternalRow> answered(
            PartitionQuestions questions,
            GenerationOptions options,
            Configuration configuration,
            DataType[] types,
            SQLMetric count,
            Iterator<InternalRow> input)
            throws InterruptedException {
        Iterator<InternalRow> copies = new Iterator<>() {
            @Override
            public boolean hasNext() {
                return input.hasNext();
            }

            @Override
            public InternalRow next() {
                // Spark fills one row again and again.
                return input.next().copy();
            }
        };
        if (!copies.hasNext()) {
            return copies;
        }
        Iterator<InternalRow> answered = new AnsweredRows<>(options, configuration, RunLimits.NONE, questions, copies);
        UnsafeProjection projection = UnsafeProjection.create(types);
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return answered.hasNext();
            }

            @Override
            public InternalRow next() {
                count.add(1);
                return projection.apply(answered.next());
            }
        };
    }

    @Override
    public PromptRow ask(InternalRow row) {
        Object text = prompt.dataType() instanceof NullType ? null : prompt.eval(row);
        RowRequest request = text == null
                ? null
                : new RowRequest(
                        null, null, new Field("prompt", TextNode.valueOf(text.toString())), null, null, given(row));
        return new PromptRow(null, false, "", request, null, Map.of());
    }

    private Map<String, JsonNode> given(InternalRow row) {
        Map<String, JsonNode> given = new LinkedHashMap<>();
        Object struct = parameters.dataType() instanceof NullType ? null : parameters.eval(row);
        if (struct != null) {
            Row values = (Row) CatalystTypeConverters.convertToScala(struct, parameters.dataType());
            CellValues cells = new CellValues(ZoneId.of(zone));
            for (int i = 0; i < values.size(); i++) {
                JsonNode value = cells.of(values.get(i));
                if (value != null) {
                    given.put(values.schema().apply(i).name(), value);
                }
            }
        }
        Object format = responseFormat.dataType() instanceof NullType ? null : responseFormat.eval(row);
        if (parser != null) {
            given.put("structured_outputs", constraint());
        } else if (format != null) {
            given.put("response_format", CellValues.json(format.toString()));
        }
        return given;
    }

    private JsonNode constraint() {
        return JsonNodeFactory.instance
                .objectNode()
                .put("json", OutputColumnType.constraint(parser.type()).text());
    }

    @Override
    public InternalRow answered(InternalRow row, PromptRow asked, Answers found, int index, RequestError incomplete) {
        answers.add(1);
        promptTokens.add(found.promptTokens(index));
        completionTokens.add(found.completionTokens(index));
        if (incomplete != null) {
            return failed(row, asked, incomplete);
        }
        if (parser != null) {
            AnswerParser.Parsed parsed = found.parsed(index, parser);
            return parsed.error() != null
                    ? failed(row, asked, unreadable(found, index, parsed))
                    : answered(row, content((Row) parsed.value()));
        }
        return answered(row, UTF8String.fromString(found.text(index)));
    }

    /** The answer was cut, or a stop has ended it before its end. */
    private static RequestError unreadable(Answers found, int index, AnswerParser.Parsed parsed) {
        RequestError cut = found.incomplete(index);
        return cut != null ? cut : new RequestError("unreadable_answer", parsed.error(), false);
    }

    private InternalRow answered(InternalRow row, Object answer) {
        return with(row, failsOnError ? answer : new GenericInternalRow(new Object[] {answer, null}));
    }

    /** The one field of an answer, as Spark holds it. */
    private Object content(Row answer) {
        DataType type = ((StructType) parser.type()).apply(0).dataType();
        return answer == null
                ? null
                : CatalystTypeConverters.createToCatalystConverter(type).apply(answer.get(0));
    }

    @Override
    public InternalRow failed(InternalRow row, PromptRow asked, RequestError error) {
        if (error == null) {
            return with(row, null);
        }
        if (failsOnError) {
            throw JobException.input("ai_query: " + error.message() + " (" + error.code() + "); " + wayOut);
        }
        return with(row, new GenericInternalRow(new Object[] {null, UTF8String.fromString(error.message())}));
    }

    private static InternalRow with(InternalRow row, Object answer) {
        return new JoinedRow(row, new GenericInternalRow(new Object[] {answer}));
    }
}
