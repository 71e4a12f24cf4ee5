package io.github.sparkmixtral.job.inference;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.Serializable;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.catalyst.expressions.GenericRowWithSchema;
import org.apache.spark.sql.catalyst.util.DateTimeUtils;
import org.apache.spark.sql.internal.SQLConf;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.BooleanType;
import org.apache.spark.sql.types.ByteType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DateType;
import org.apache.spark.sql.types.DecimalType;
import org.apache.spark.sql.types.DoubleType;
import org.apache.spark.sql.types.FloatType;
import org.apache.spark.sql.types.IntegerType;
import org.apache.spark.sql.types.LongType;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.ShortType;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.types.TimestampType;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Reads answers that are JSON as values of one type. Nothing is guessed: a value of another kind than the type wants makes the whole
 * answer unreadable. A property that the type does not have is left out, one that the answer does not have is null.
 *
 * @param type of {@link io.github.sparkmixtral.job.options.OutputColumnType}
 * @param javaTime whether dates and timestamps are those of {@code java.time}, as Spark's rows have them if
 *     {@code spark.sql.datetime.java8API.enabled} says so
 */
public record AnswerParser(DataType type, boolean javaTime) implements Serializable {
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private static final int EXCERPT_LENGTH = 80;

    /**
     * An answer that was read.
     *
     * @param value as a row holds it; null for an answer that is null, or cannot be read
     * @param error why it cannot be read; null if it can
     */
    public record Parsed(Object value, String error) {}

    /** What is in the way, and where. */
    private static final class Misfit extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private Misfit(String path, String wanted, JsonNode found) {
            super(path + " must be " + wanted + ", not " + shortened(found.toString()), null, false, false);
        }
    }

    /** For rows that the current session makes; null for no type. */
    static AnswerParser ofRows(DataType type) {
        return type == null ? null : new AnswerParser(type, SQLConf.get().datetimeJava8ApiEnabled());
    }

    /**
     * Reads an answer.
     *
     * @param cut whether it ended before its end
     */
    public Parsed parse(String text, boolean cut) {
        try {
            JsonNode node = JSON.readTree(text);
            if (node.isMissingNode()) {
                return new Parsed(null, "the answer is empty where JSON is wanted");
            }
            return new Parsed(value(node, type, "$"), null);
        } catch (JsonProcessingException e) {
            return new Parsed(
                    null,
                    cut
                            ? "the answer was cut before its end (finish_reason is length): raise max_tokens"
                            : "the answer is not valid JSON: "
                                    + shortened(e.getOriginalMessage()
                                            .lines()
                                            .findFirst()
                                            .orElse("")));
        } catch (Misfit misfit) {
            return new Parsed(null, misfit.getMessage());
        }
    }

    private Object value(JsonNode node, DataType wanted, String path) {
        if (node.isNull()) {
            return null;
        }
        return switch (wanted) {
            case StringType _ -> node.isTextual() ? node.textValue() : node.toString();
            case BooleanType _ ->
                require(node.isBoolean(), node, path, "true or false").booleanValue();
            case ByteType _ -> (byte) whole(node, path, Byte.MIN_VALUE, Byte.MAX_VALUE);
            case ShortType _ -> (short) whole(node, path, Short.MIN_VALUE, Short.MAX_VALUE);
            case IntegerType _ -> (int) whole(node, path, Integer.MIN_VALUE, Integer.MAX_VALUE);
            case LongType _ -> whole(node, path, Long.MIN_VALUE, Long.MAX_VALUE);
            case DecimalType decimal -> decimal(node, decimal, path);
            case DoubleType _ -> {
                double number = number(node, path).doubleValue();
                require(Double.isFinite(number), node, path, "a number of DOUBLE");
                yield number;
            }
            case FloatType _ -> {
                float number = number(node, path).floatValue();
                require(Float.isFinite(number), node, path, "a number of FLOAT");
                yield number;
            }
            case DateType _ -> date(node, path);
            case TimestampType _ -> timestamp(node, path);
            case ArrayType array -> array(node, array, path);
            case MapType map -> map(node, map, path);
            case StructType struct -> struct(node, struct, path);
            default -> throw new IllegalStateException("answers have no values of " + wanted.sql());
        };
    }

    private static JsonNode require(boolean holds, JsonNode node, String path, String wanted) {
        if (!holds) {
            throw new Misfit(path, wanted, node);
        }
        return node;
    }

    private static BigDecimal number(JsonNode node, String path) {
        return require(node.isNumber(), node, path, "a number").decimalValue();
    }

    private static long whole(JsonNode node, String path, long least, long most) {
        BigDecimal number = number(node, path);
        boolean fits = number.compareTo(BigDecimal.valueOf(least)) >= 0
                && number.compareTo(BigDecimal.valueOf(most)) <= 0
                && (number.signum() == 0 || number.stripTrailingZeros().scale() <= 0);
        require(fits, node, path, "a whole number in [" + least + ", " + most + "]");
        return number.longValue();
    }

    private static BigDecimal decimal(JsonNode node, DecimalType wanted, String path) {
        BigDecimal number = number(node, path);
        long digits = (long) number.precision() - number.scale();
        // What is larger or smaller by far is not written out to be rounded.
        boolean small = number.signum() == 0 || digits < -DecimalType.MAX_SCALE();
        BigDecimal rounded = small || digits > DecimalType.MAX_PRECISION()
                ? BigDecimal.ZERO.setScale(wanted.scale())
                : number.setScale(wanted.scale(), RoundingMode.HALF_UP);
        boolean fits = small || digits <= DecimalType.MAX_PRECISION() && rounded.precision() <= wanted.precision();
        require(fits, node, path, "a number of " + wanted.sql());
        return rounded;
    }

    private Object date(JsonNode node, String path) {
        require(node.isTextual(), node, path, "a date such as 2024-12-31");
        try {
            LocalDate date = LocalDate.parse(node.textValue());
            return javaTime ? date : DateTimeUtils.toJavaDate(Math.toIntExact(date.toEpochDay()));
        } catch (DateTimeException | ArithmeticException e) {
            throw new Misfit(path, "a date such as 2024-12-31", node);
        }
    }

    private Object timestamp(JsonNode node, String path) {
        String wanted = "a time with its offset such as 2024-12-31T23:59:59Z";
        require(node.isTextual(), node, path, wanted);
        try {
            Instant instant = OffsetDateTime.parse(node.textValue()).toInstant().truncatedTo(ChronoUnit.MICROS);
            return javaTime
                    ? instant
                    : DateTimeUtils.toJavaTimestamp(ChronoUnit.MICROS.between(Instant.EPOCH, instant));
        } catch (DateTimeException | ArithmeticException e) {
            throw new Misfit(path, wanted, node);
        }
    }

    private Object array(JsonNode node, ArrayType wanted, String path) {
        require(node.isArray(), node, path, "an array");
        List<Object> values = new ArrayList<>();
        for (JsonNode element : node) {
            values.add(value(element, wanted.elementType(), path + "[" + values.size() + "]"));
        }
        return scala.collection.mutable.ArraySeq$.MODULE$.make(values.toArray());
    }

    private Object map(JsonNode node, MapType wanted, String path) {
        require(node.isObject(), node, path, "an object");
        Map<String, Object> values = new LinkedHashMap<>();
        node.properties()
                .forEach(entry -> values.put(
                        entry.getKey(), value(entry.getValue(), wanted.valueType(), path + "." + entry.getKey())));
        return CollectionConverters.asScala(values);
    }

    private Object struct(JsonNode node, StructType wanted, String path) {
        require(node.isObject(), node, path, "an object");
        StructField[] fields = wanted.fields();
        Object[] values = new Object[fields.length];
        for (int i = 0; i < fields.length; i++) {
            JsonNode property = node.get(fields[i].name());
            values[i] = property == null ? null : value(property, fields[i].dataType(), path + "." + fields[i].name());
        }
        return new GenericRowWithSchema(values, wanted);
    }

    private static String shortened(String text) {
        return text.length() <= EXCERPT_LENGTH ? text : text.substring(0, EXCERPT_LENGTH) + "…";
    }
}
