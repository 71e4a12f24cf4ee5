package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.ChronoField;
import java.util.Base64;
import java.util.Iterator;
import java.util.Locale;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructField;
import scala.Tuple2;

/**
 * Cells of a table as JSON values. Numbers keep their digits: 19.90 stays 19.90, and no number is written with an exponent that
 * was not there. Null fields of a struct are left out, as Spark's {@code to_json} leaves them out.
 *
 * @param zone of the session, for timestamps
 */
public record CellValues(ZoneId zone) {
    private static final JsonNodeFactory NODES = JsonNodeFactory.withExactBigDecimals(true);

    /** ISO 8601 with as many digits of the second as there are, three at least. */
    private static final DateTimeFormatter TIME = new DateTimeFormatterBuilder()
            .append(DateTimeFormatter.ISO_LOCAL_DATE)
            .appendPattern("'T'HH:mm:ss")
            .appendFraction(ChronoField.NANO_OF_SECOND, 3, 9, true)
            .appendPattern("XXX")
            .toFormatter(Locale.ROOT);

    /** The value of a cell; null for a null. */
    public JsonNode of(Object cell) {
        return switch (cell) {
            case null -> null;
            case String text -> NODES.textNode(text);
            case Boolean flag -> NODES.booleanNode(flag);
            case Long number -> NODES.numberNode(number);
            case Integer number -> NODES.numberNode(number);
            case Short number -> NODES.numberNode(number.intValue());
            case Byte number -> NODES.numberNode(number.intValue());
            case Double number -> number(number, Double.toString(number));
            case Float number -> number(number, Float.toString(number));
            case BigDecimal number -> NODES.numberNode(number);
            case Row struct -> object(struct);
            case scala.collection.Map<?, ?> map -> object(map);
            case scala.collection.Seq<?> list -> array(list.iterator());
            case Object[] list ->
                array(scala.jdk.javaapi.CollectionConverters.asScala(
                        java.util.Arrays.asList(list).iterator()));
            case byte[] bytes -> NODES.textNode(Base64.getEncoder().encodeToString(bytes));
            case java.sql.Timestamp time -> NODES.textNode(instant(time.toInstant()));
            case Instant time -> NODES.textNode(instant(time));
            case java.sql.Date date -> NODES.textNode(date.toString());
            case LocalDate date -> NODES.textNode(date.toString());
            case LocalDateTime time -> NODES.textNode(DateTimeFormatter.ISO_LOCAL_DATE_TIME.format(time));
            default -> NODES.textNode(cell.toString());
        };
    }

    private String instant(Instant time) {
        return TIME.format(time.atZone(zone));
    }

    /** {@code 1.25E7} as 12500000.0; what is no number (NaN, Infinity) as JSON has it. */
    private static JsonNode number(double value, String shortest) {
        if (!Double.isFinite(value)) {
            return NODES.numberNode(value);
        }
        // Java writes 5.0E-4, whose zero is no digit of the number's.
        BigDecimal digits = new BigDecimal(shortest).stripTrailingZeros();
        return NODES.numberNode(digits.scale() < 1 ? digits.setScale(1) : digits);
    }

    private ObjectNode object(Row struct) {
        ObjectNode object = NODES.objectNode();
        for (int i = 0; i < struct.size(); i++) {
            StructField field = struct.schema().apply(i);
            JsonNode value = of(struct.get(i));
            if (value != null) {
                object.set(field.name(), value);
            }
        }
        return object;
    }

    private ObjectNode object(scala.collection.Map<?, ?> map) {
        ObjectNode object = NODES.objectNode();
        Iterator<? extends Tuple2<?, ?>> entries = scala.jdk.javaapi.CollectionConverters.asJava(map.iterator());
        while (entries.hasNext()) {
            Tuple2<?, ?> entry = entries.next();
            JsonNode value = of(entry._2());
            object.set(String.valueOf(entry._1()), value == null ? NODES.nullNode() : value);
        }
        return object;
    }

    private ArrayNode array(scala.collection.Iterator<?> elements) {
        ArrayNode array = NODES.arrayNode();
        while (elements.hasNext()) {
            JsonNode value = of(elements.next());
            array.add(value == null ? NODES.nullNode() : value);
        }
        return array;
    }

    /** JSON text as a value; as text if it is none. */
    public static JsonNode json(String text) {
        try {
            return new com.fasterxml.jackson.databind.json.JsonMapper().readTree(text);
        } catch (com.fasterxml.jackson.core.JacksonException e) {
            return NODES.textNode(text);
        }
    }

    /** A value as it stands in a text: numbers without an exponent, objects and arrays as JSON. */
    static String text(JsonNode value) {
        if (value.isBigDecimal() && Math.abs((long) value.decimalValue().scale()) < 400) {
            return value.decimalValue().toPlainString();
        }
        return value.isValueNode() ? value.asText() : value.toString();
    }
}
