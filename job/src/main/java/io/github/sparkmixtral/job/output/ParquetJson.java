package io.github.sparkmixtral.job.output;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.util.concurrent.TimeUnit;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.schema.GroupType;
import org.apache.parquet.schema.LogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.DateLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.DecimalLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.ListLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.MapLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.StringLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.TimestampLogicalTypeAnnotation;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Type;

/**
 * Rows of Parquet files, as Spark writes them, as JSON. Dates and times are text as in ISO 8601, bytes are text in base 64, and keys of maps
 * are text.
 */
final class ParquetJson {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    /** What the format's own timestamps of 96 bits count their days from. */
    private static final int JULIAN_EPOCH = 2_440_588;

    private ParquetJson() {}

    static ObjectNode object(Group row) {
        ObjectNode object = JSON.objectNode();
        GroupType type = row.getType();
        for (int field = 0; field < type.getFieldCount(); field++) {
            object.set(type.getFieldName(field), field(row, field));
        }
        return object;
    }

    private static JsonNode field(Group row, int field) {
        int values = row.getFieldRepetitionCount(field);
        if (row.getType().getType(field).isRepetition(Type.Repetition.REPEATED)) {
            ArrayNode array = JSON.arrayNode();
            for (int i = 0; i < values; i++) {
                array.add(value(row, field, i));
            }
            return array;
        }
        return values == 0 ? JSON.nullNode() : value(row, field, 0);
    }

    private static JsonNode value(Group row, int field, int index) {
        Type type = row.getType().getType(field);
        if (type.isPrimitive()) {
            return primitive(row, field, index);
        }
        Group group = row.getGroup(field, index);
        return switch (type.getLogicalTypeAnnotation()) {
            case ListLogicalTypeAnnotation _ -> list(group);
            case MapLogicalTypeAnnotation _ -> map(group);
            case null, default -> object(group);
        };
    }

    /** The only field of a list is repeated, and has the element as its only field. */
    private static ArrayNode list(Group list) {
        ArrayNode array = JSON.arrayNode();
        for (int i = 0; i < list.getFieldRepetitionCount(0); i++) {
            array.add(field(list.getGroup(0, i), 0));
        }
        return array;
    }

    private static ObjectNode map(Group map) {
        ObjectNode object = JSON.objectNode();
        for (int i = 0; i < map.getFieldRepetitionCount(0); i++) {
            Group entry = map.getGroup(0, i);
            object.set(field(entry, 0).asText(), field(entry, 1));
        }
        return object;
    }

    private static JsonNode primitive(Group row, int field, int index) {
        Type type = row.getType().getType(field);
        PrimitiveTypeName name = type.asPrimitiveType().getPrimitiveTypeName();
        LogicalTypeAnnotation meaning = type.getLogicalTypeAnnotation();
        return switch (name) {
            case BOOLEAN -> JSON.booleanNode(row.getBoolean(field, index));
            case INT32 -> whole(row.getInteger(field, index), meaning);
            case INT64 -> whole(row.getLong(field, index), meaning);
            case FLOAT -> JSON.numberNode(row.getFloat(field, index));
            case DOUBLE -> JSON.numberNode(row.getDouble(field, index));
            case INT96 -> timestamp(row.getInt96(field, index).getBytes());
            case BINARY, FIXED_LEN_BYTE_ARRAY -> {
                byte[] bytes = row.getBinary(field, index).getBytes();
                yield switch (meaning) {
                    case StringLogicalTypeAnnotation _ -> JSON.textNode(row.getString(field, index));
                    case DecimalLogicalTypeAnnotation decimal ->
                        JSON.numberNode(new BigDecimal(new BigInteger(bytes), decimal.getScale()));
                    case null, default -> JSON.binaryNode(bytes);
                };
            }
        };
    }

    private static JsonNode whole(long value, LogicalTypeAnnotation meaning) {
        return switch (meaning) {
            case DateLogicalTypeAnnotation _ ->
                JSON.textNode(LocalDate.ofEpochDay(value).toString());
            case DecimalLogicalTypeAnnotation decimal -> JSON.numberNode(BigDecimal.valueOf(value, decimal.getScale()));
            case TimestampLogicalTypeAnnotation timestamp -> timestamp(value, timestamp);
            case null, default -> JSON.numberNode(value);
        };
    }

    private static JsonNode timestamp(long value, TimestampLogicalTypeAnnotation type) {
        TimeUnit unit = switch (type.getUnit()) {
            case MILLIS -> TimeUnit.MILLISECONDS;
            case MICROS -> TimeUnit.MICROSECONDS;
            case NANOS -> TimeUnit.NANOSECONDS;
        };
        long perSecond = unit.convert(1, TimeUnit.SECONDS);
        Instant instant =
                Instant.ofEpochSecond(Math.floorDiv(value, perSecond), unit.toNanos(Math.floorMod(value, perSecond)));
        return JSON.textNode(
                type.isAdjustedToUTC()
                        ? instant.toString()
                        : LocalDateTime.ofInstant(instant, ZoneOffset.UTC).toString());
    }

    private static JsonNode timestamp(byte[] int96) {
        ByteBuffer bytes = ByteBuffer.wrap(int96).order(ByteOrder.LITTLE_ENDIAN);
        long nanos = bytes.getLong();
        LocalDate day = LocalDate.ofEpochDay((long) bytes.getInt() - JULIAN_EPOCH);
        return JSON.textNode(day.atTime(LocalTime.ofNanoOfDay(nanos))
                .toInstant(ZoneOffset.UTC)
                .toString());
    }
}
