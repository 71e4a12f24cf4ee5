package io.github.sparkmixtral.job.score;

import static io.github.sparkmixtral.job.options.OutputColumns.named;
import static org.apache.spark.sql.functions.array;
import static org.apache.spark.sql.functions.to_json;
import static org.apache.spark.sql.functions.transform;
import static org.apache.spark.sql.functions.udf;
import static org.apache.spark.sql.functions.when;

import io.github.sparkmixtral.job.options.ExpectedMatch;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.api.java.UDF2;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.StructType;
import scala.collection.Seq;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Gives answers their scores: the best that an accepted answer gives. No answer scores 0. An expected answer that cannot be compared
 * is a fault of the row's, which then has no score.
 */
record Grading(ExpectedMatch match) implements UDF2<String, Seq<String>, Row> {
    /** In [0, 1]; null if the row has a {@link #FAULT}. */
    static final String SCORE = "score";

    /** What is wrong with the expected answer; null for nothing. */
    static final String FAULT = "fault";

    private static final StructType GRADE =
            new StructType().add(SCORE, DataTypes.DoubleType).add(FAULT, DataTypes.StringType);
    private static final int LONGEST_EXCERPT = 60;

    /**
     * A struct of {@link #SCORE} and {@link #FAULT}; null for rows that expect nothing.
     *
     * @param answer text, null where there is none
     * @param type of the column {@code expected}
     */
    static Column of(Column answer, String expected, DataType type, ExpectedMatch match) {
        return udf(new Grading(match), GRADE).apply(answer, texts(named(expected), type, match));
    }

    /** An array of texts. */
    private static Column texts(Column expected, DataType type, ExpectedMatch match) {
        if (match == ExpectedMatch.JSON) {
            boolean nested = type instanceof StructType || type instanceof ArrayType || type instanceof MapType;
            Column json = nested
                    ? to_json(expected, Map.of("ignoreNullFields", "false"))
                    : expected.cast(DataTypes.StringType);
            return given(expected, array(json));
        }
        return switch (type) {
            case ArrayType array -> transform(expected, element -> text(element, array.elementType()));
            case StructType struct
            when struct.apply(ExpectedMatch.TEXT).dataType() instanceof ArrayType array ->
                texts(expected.getField(ExpectedMatch.TEXT), array, match);
            default -> given(expected, array(text(expected, type)));
        };
    }

    private static Column given(Column expected, Column texts) {
        return when(expected.isNotNull(), texts);
    }

    private static Column text(Column value, DataType type) {
        return type instanceof StructType struct
                ? text(
                        value.getField(ExpectedMatch.TEXT),
                        struct.apply(ExpectedMatch.TEXT).dataType())
                : value.cast(DataTypes.StringType);
    }

    @Override
    public Row call(String answer, Seq<String> texts) {
        if (texts == null) {
            return null;
        }
        List<String> accepted = new ArrayList<>();
        CollectionConverters.asJava(texts).stream()
                .filter(Objects::nonNull)
                .forEach(text -> accepted.addAll(Expected.accepted(match, text)));
        return accepted.isEmpty() ? null : grade(answer, accepted);
    }

    private Row grade(String answer, List<String> accepted) {
        double best = 0;
        for (String text : accepted) {
            try {
                Expected expected = Expected.of(match, text);
                best = answer == null ? 0 : Math.max(best, expected.applyAsDouble(answer));
            } catch (IllegalArgumentException e) {
                return RowFactory.create(null, "the expected answer '" + excerpt(text) + "' is " + e.getMessage());
            }
        }
        return RowFactory.create(best, null);
    }

    private static String excerpt(String text) {
        return text.length() <= LONGEST_EXCERPT ? text : text.substring(0, LONGEST_EXCERPT) + "…";
    }
}
