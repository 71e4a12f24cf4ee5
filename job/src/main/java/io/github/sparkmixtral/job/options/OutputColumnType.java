package io.github.sparkmixtral.job.options;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.grammar.GrammarException;
import io.github.sparkmixtral.grammar.JsonShape;
import io.github.sparkmixtral.grammar.JsonShape.Entries;
import io.github.sparkmixtral.grammar.JsonShape.Fields;
import io.github.sparkmixtral.grammar.JsonShape.Scalar;
import io.github.sparkmixtral.grammar.JsonShape.Sequence;
import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.grammar.StructuredOutput.Kind;
import java.math.BigDecimal;
import java.util.Set;
import java.util.TreeSet;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.BooleanType;
import org.apache.spark.sql.types.ByteType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
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

/** Spark's type for answers that are JSON, and the JSON schema of a type. Everything in such a type may be null. */
public final class OutputColumnType {
    /** In the place of a type: the one that follows from the JSON schema. */
    static final String SCHEMA = "schema";

    private static final JsonNodeFactory NODES = JsonNodeFactory.withExactBigDecimals(true);

    /** Decimal places that a schema can hold an answer to. */
    private static final int MOST_PLACES = 15;

    private OutputColumnType() {}

    /**
     * The type of the answers to a job.
     *
     * @param given {@code schema} or a type as Spark's SQL writes it
     * @param constraint what the job's answers have to be; null for anything
     * @throws IllegalArgumentException where they do not go together, beginning with what the type is called in the option's place
     */
    static DataType resolve(String given, StructuredOutput constraint) {
        boolean json = constraint != null && constraint.kind() == Kind.JSON;
        if (given.strip().equalsIgnoreCase(SCHEMA)) {
            if (!json) {
                throw new IllegalArgumentException("schema needs a JSON schema to take the type from: give one with"
                        + " --response-format or --structured-outputs, or write a type such as STRUCT<name: STRING>");
            }
            return of(shape(constraint));
        }
        DataType type = parse(given);
        if (constraint != null && !json) {
            throw new IllegalArgumentException("needs answers that are held to a JSON schema, not to "
                    + constraint.kind().name().toLowerCase(java.util.Locale.ROOT)
                    + ": leave --response-format and --structured-outputs out to have the schema made of the type");
        }
        if (json) {
            requireFits(shape(constraint), type, "the answer");
        }
        return type;
    }

    private static JsonShape shape(StructuredOutput constraint) {
        try {
            return JsonShape.of(constraint);
        } catch (GrammarException unusable) {
            throw new IllegalArgumentException("cannot be found out: " + unusable.getMessage(), unusable);
        }
    }

    /**
     * Reads a type.
     *
     * @param ddl such as {@code STRUCT<name: STRING, age: INT>}, or the same as {@code name STRING, age INT}
     * @throws IllegalArgumentException where it is none, or one that JSON has no values for
     */
    public static DataType parse(String ddl) {
        DataType type;
        try {
            type = DataType.fromDDL(ddl);
        } catch (Exception invalid) {
            // Spark's parser throws a checked exception that it does not declare.
            throw new IllegalArgumentException(
                    "is no type of Spark's SQL, such as STRUCT<name: STRING, age: INT>: " + ddl, invalid);
        }
        DataType nullable = type.asNullable();
        schema(nullable);
        return nullable;
    }

    private static DataType of(JsonShape shape) {
        return switch (shape) {
            case Scalar scalar ->
                switch (scalar) {
                    case DATE -> DataTypes.DateType;
                    case DATE_TIME -> DataTypes.TimestampType;
                    case INTEGER -> DataTypes.LongType;
                    case NUMBER -> DataTypes.DoubleType;
                    case BOOLEAN -> DataTypes.BooleanType;
                    case STRING, NULL, ANYTHING -> DataTypes.StringType;
                };
            case Sequence sequence -> DataTypes.createArrayType(of(sequence.element()), true);
            case Entries entries -> DataTypes.createMapType(DataTypes.StringType, of(entries.value()), true);
            case Fields fields -> {
                StructType struct = new StructType();
                for (var field : fields.properties().entrySet()) {
                    struct = struct.add(field.getKey(), of(field.getValue()), true);
                }
                // Spark takes names that differ in case alone for one.
                yield areDistinct(struct) ? struct : DataTypes.StringType;
            }
        };
    }

    private static boolean areDistinct(StructType struct) {
        Set<String> names = new TreeSet<>(String.CASE_INSENSITIVE_ORDER);
        for (String name : struct.fieldNames()) {
            if (name.isEmpty() || !names.add(name)) {
                return false;
            }
        }
        return true;
    }

    private static void requireFits(JsonShape shape, DataType type, String place) {
        boolean fits = switch (type) {
            case StringType _ -> true;
            case StructType struct -> shape instanceof Fields fields && fieldsFit(fields, struct, place);
            case ArrayType array -> {
                boolean same = shape instanceof Sequence;
                if (shape instanceof Sequence sequence) {
                    requireFits(sequence.element(), array.elementType(), place + "[]");
                }
                yield same;
            }
            case MapType map -> {
                switch (shape) {
                    case Entries entries -> requireFits(entries.value(), map.valueType(), place + ".*");
                    case Fields fields ->
                        fields.properties()
                                .forEach((name, value) -> requireFits(value, map.valueType(), place + "." + name));
                    default -> {}
                }
                yield shape instanceof Entries || shape instanceof Fields;
            }
            case BooleanType _ -> shape == Scalar.BOOLEAN;
            case DateType _ -> shape == Scalar.DATE || shape == Scalar.STRING;
            case TimestampType _ -> shape == Scalar.DATE_TIME || shape == Scalar.STRING;
            case DoubleType _, FloatType _, DecimalType _ -> shape == Scalar.NUMBER || shape == Scalar.INTEGER;
            default -> shape == Scalar.INTEGER;
        };
        if (!fits && shape != Scalar.NULL) {
            throw new IllegalArgumentException("makes " + place + " " + type.sql() + ", but the JSON schema makes it "
                    + of(shape).sql() + ": write that, STRING, or schema for all of it");
        }
    }

    private static boolean fieldsFit(Fields fields, StructType struct, String place) {
        for (StructField field : struct.fields()) {
            JsonShape shape = fields.properties().get(field.name());
            if (shape == null) {
                throw new IllegalArgumentException("has the field " + field.name() + ", but the JSON schema gives "
                        + place + " no such property; it has "
                        + String.join(", ", fields.properties().keySet()));
            }
            requireFits(shape, field.dataType(), place + "." + field.name());
        }
        return true;
    }

    /** What answers of the type have to be. */
    public static StructuredOutput constraint(DataType type) {
        return new StructuredOutput(Kind.JSON, schema(type).toString());
    }

    /**
     * The JSON schema of a type: every field of a struct is there, and nothing is null, for an answer could always be null otherwise.
     *
     * @throws IllegalArgumentException for a type that JSON has no values for
     */
    static ObjectNode schema(DataType type) {
        return switch (type) {
            case StringType _ when type.equals(DataTypes.StringType) -> typed("string");
            case BooleanType _ -> typed("boolean");
            case ByteType _ -> whole(Byte.MIN_VALUE, Byte.MAX_VALUE);
            case ShortType _ -> whole(Short.MIN_VALUE, Short.MAX_VALUE);
            case IntegerType _ -> whole(Integer.MIN_VALUE, Integer.MAX_VALUE);
            case LongType _ -> typed("integer");
            case DecimalType decimal -> decimal(decimal);
            case FloatType _, DoubleType _ -> typed("number");
            case DateType _ -> typed("string").put("format", "date");
            case TimestampType _ -> typed("string").put("format", "date-time");
            case ArrayType array -> typed("array").set("items", schema(array.elementType()));
            case MapType map
            when map.keyType().equals(DataTypes.StringType) ->
                typed("object").set("additionalProperties", schema(map.valueType()));
            case StructType struct -> struct(struct);
            default ->
                throw new IllegalArgumentException("has " + type.sql()
                        + ", which JSON has no values for; take STRING, BOOLEAN, numbers, DATE, TIMESTAMP, ARRAY, MAP<STRING, …>"
                        + " and STRUCT");
        };
    }

    private static ObjectNode typed(String type) {
        return NODES.objectNode().put("type", type);
    }

    private static ObjectNode whole(long least, long most) {
        return typed("integer").put("minimum", least).put("maximum", most);
    }

    private static ObjectNode decimal(DecimalType type) {
        if (type.scale() > 0) {
            // More places than the schema can say are rounded.
            return type.scale() > MOST_PLACES
                    ? typed("number")
                    : typed("number").put("multipleOf", BigDecimal.ONE.movePointLeft(type.scale()));
        }
        BigDecimal bound = BigDecimal.TEN.pow(type.precision());
        return typed("integer").put("exclusiveMinimum", bound.negate()).put("exclusiveMaximum", bound);
    }

    private static ObjectNode struct(StructType struct) {
        if (struct.isEmpty() || !areDistinct(struct)) {
            throw new IllegalArgumentException(
                    "has a STRUCT without fields, or with two fields whose names differ in case alone: "
                            + struct.sql());
        }
        ObjectNode schema = typed("object");
        ObjectNode properties = schema.putObject("properties");
        var required = schema.putArray("required");
        for (StructField field : struct.fields()) {
            properties.set(field.name(), schema(field.dataType()));
            required.add(field.name());
        }
        schema.put("additionalProperties", false);
        return schema;
    }
}
