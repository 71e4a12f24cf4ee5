package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import io.github.sparkmixtral.job.fault.JobException;
import java.io.IOException;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.DecimalType;
import org.apache.spark.sql.types.DoubleType;
import org.apache.spark.sql.types.LongType;
import org.apache.spark.sql.types.MetadataBuilder;
import org.apache.spark.sql.types.NullType;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds the columns of lines of JSON: the keys at the top of the objects, in alphabetical order. What is below them is not looked
 * into further than a column can show, so that the time grows with the bytes, whatever keys the rows have.
 *
 * <ul>
 *   <li>Whole numbers are long, or decimal(38,0) if one needs it; other numbers are double, NaN and Infinity among them. Numbers that
 *       no such type holds make the column text, as they are written.
 *   <li>Arrays and objects that have the same keys and types in every row are arrays and structs; all others, and those in the
 *       fields of a request, are text with JSON.
 *   <li>Values of several types make the column text.
 * </ul>
 *
 * @param request fields whose arrays and objects are never looked into
 */
record JsonColumns(List<String> request) implements MapPartitionsFunction<Row, Row> {

    /** Columns that a table may have. */
    static final int MOST_COLUMNS = 1000;

    /** Leaves that an array or object may have in order to be more than text. */
    private static final int MOST_LEAVES = 64;

    private static final int DEEPEST = 8;
    private static final int MOST_DIGITS = 38;
    private static final String NESTED = "nested";
    private static final String MADE_TEXT = "made_text";
    private static final Logger LOG = LoggerFactory.getLogger(JsonColumns.class);

    /** For whole numbers that a long does not hold. */
    private static final DataType WIDE = DataTypes.createDecimalType(MOST_DIGITS, 0);

    private static final StructType FOUND = new StructType()
            .add("name", DataTypes.StringType, false)
            .add("type", DataTypes.StringType, false)
            .add("nested", DataTypes.BooleanType, false)
            .add("other", DataTypes.BooleanType, false);

    /** Interning would keep every key that a row has and no other row. */
    private static final JsonFactory JSON = JsonFactory.builder()
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .build();

    /** A column so far. */
    private static final class Found {
        private DataType type = DataTypes.NullType;
        private boolean nested;

        /** Whether a value is no text. */
        private boolean other;
    }

    JsonColumns {
        request = new ArrayList<>(request);
    }

    /**
     * Looks at all lines.
     *
     * @param lines of one binary column
     * @return no column where no line holds an object; {@link RequestReader#CORRUPT} where a line does not
     * @throws JobException with exit code 3 where there are too many columns
     */
    StructType of(Dataset<Row> lines) {
        return of(lines.mapPartitions(this, Encoders.row(FOUND)).collectAsList());
    }

    /** @param looks what was found in each part of the lines */
    StructType of(List<Row> looks) {
        Map<String, Found> columns = new TreeMap<>();
        boolean corrupt = false;
        for (Row row : looks) {
            if (row.getString(1).isEmpty()) {
                corrupt = true;
            } else {
                Found found = columns.computeIfAbsent(row.getString(0), _ -> new Found());
                found.type = textIfNone(merged(found.type, DataType.fromJson(row.getString(1))));
                found.nested |= row.getBoolean(2);
                found.other |= row.getBoolean(3);
            }
        }
        if (columns.size() > MOST_COLUMNS) {
            throw JobException.input("the input has more than " + MOST_COLUMNS
                    + " different keys at the top of its objects ("
                    + String.join(", ", columns.keySet().stream().limit(3).toList())
                    + ", …), and each would be a column: put those that differ from row to row into one object");
        }
        StructType schema = new StructType();
        List<String> texts = new ArrayList<>();
        if (corrupt) {
            schema = schema.add(RequestReader.CORRUPT, DataTypes.StringType);
            columns.remove(RequestReader.CORRUPT);
        }
        for (Map.Entry<String, Found> column : columns.entrySet()) {
            DataType type = withoutNulls(column.getValue().type);
            MetadataBuilder metadata = new MetadataBuilder();
            if (column.getValue().nested) {
                metadata.putBoolean(NESTED, true);
            }
            if (column.getValue().other && type instanceof StringType) {
                metadata.putBoolean(MADE_TEXT, true);
            }
            schema = schema.add(column.getKey(), type, true, metadata.build());
            if (column.getValue().nested && type instanceof StringType && !request.contains(column.getKey())) {
                texts.add(column.getKey());
            }
        }
        if (!texts.isEmpty()) {
            LOG.info(
                    "{} {} arrays or objects that are not alike in all rows: the output has them as JSON text",
                    String.join(", ", texts),
                    texts.size() == 1 ? "holds" : "hold");
        }
        return schema;
    }

    /** Whether a column holds objects or arrays: as such, or as text that this class has made of them. */
    static boolean isNested(StructField column) {
        return column.dataType() instanceof StructType
                || column.dataType() instanceof ArrayType
                || column.metadata().contains(NESTED);
    }

    /** Whether a column is text because its values, which are others, have no type in common. */
    static boolean isMadeText(StructField column) {
        return column.metadata().contains(MADE_TEXT);
    }

    @Override
    public Iterator<Row> call(Iterator<Row> lines) throws IOException {
        Map<String, Found> columns = new HashMap<>();
        boolean corrupt = false;
        while (lines.hasNext() && columns.size() <= MOST_COLUMNS) {
            byte[] line = lines.next().getAs(0);
            if (!RowNumbering.isBlank(line)) {
                corrupt |= !look(line, columns);
            }
        }
        List<Row> found = new ArrayList<>();
        columns.forEach(
                (name, column) -> found.add(RowFactory.create(name, column.type.json(), column.nested, column.other)));
        if (corrupt) {
            found.add(RowFactory.create("", "", false, false));
        }
        return found.iterator();
    }

    /** What is null in all rows becomes text, since files have no columns without a type. */
    private static DataType withoutNulls(DataType type) {
        return switch (type) {
            case NullType _ -> DataTypes.StringType;
            case ArrayType array -> DataTypes.createArrayType(withoutNulls(array.elementType()));
            case StructType struct -> {
                StructType all = new StructType();
                for (StructField field : struct.fields()) {
                    all = all.add(field.name(), withoutNulls(field.dataType()));
                }
                yield all;
            }
            default -> type;
        };
    }

    private static DataType textIfNone(DataType type) {
        return type == null ? DataTypes.StringType : type;
    }

    /** Adds an object's keys; false, and nothing added, for what is no object. */
    private boolean look(byte[] line, Map<String, Found> columns) throws IOException {
        Map<String, Found> own = new HashMap<>();
        // A factory for each line: one for all would have a table of all keys, and copy it for each line that has a new
        // one.
        try (JsonParser parser = JSON.copy().createParser(line)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return false;
            }
            for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                JsonToken token = parser.nextToken();
                Found before = columns.get(name);
                Found found = own.computeIfAbsent(name, _ -> new Found());
                found.nested |= token.isStructStart();
                found.other |= token != JsonToken.VALUE_STRING && token != JsonToken.VALUE_NULL;
                if (before != null && before.type instanceof StringType
                        || token.isStructStart() && request.contains(name)) {
                    found.type = token == JsonToken.VALUE_NULL ? found.type : DataTypes.StringType;
                    parser.skipChildren();
                } else {
                    found.type = textIfNone(merged(found.type, type(parser, new int[] {MOST_LEAVES}, 0)));
                }
            }
        } catch (JacksonException e) {
            return false;
        }
        own.forEach((name, found) -> {
            Found all = columns.computeIfAbsent(name, _ -> new Found());
            all.type = textIfNone(merged(all.type, found.type));
            all.nested |= found.nested;
            all.other |= found.other;
        });
        return true;
    }

    /**
     * The type of the value that the parser is at; it ends at the value's last token.
     *
     * @param leaves how many there may still be
     * @return null for a value that only text can hold
     */
    private static DataType type(JsonParser parser, int[] leaves, int depth) throws IOException {
        if (parser.currentToken().isStructStart() && depth == DEEPEST || leaves[0]-- <= 0) {
            parser.skipChildren();
            return null;
        }
        return switch (parser.currentToken()) {
            case VALUE_NULL -> DataTypes.NullType;
            case VALUE_TRUE, VALUE_FALSE -> DataTypes.BooleanType;
            case VALUE_NUMBER_INT -> whole(parser);
            case VALUE_NUMBER_FLOAT ->
                parser.isNaN() || Double.isFinite(parser.getDoubleValue()) ? DataTypes.DoubleType : null;
            case START_ARRAY -> array(parser, leaves, depth);
            case START_OBJECT -> object(parser, leaves, depth);
            default -> DataTypes.StringType;
        };
    }

    private static DataType whole(JsonParser parser) throws IOException {
        if (parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER) {
            return DataTypes.LongType;
        }
        BigInteger number = parser.getBigIntegerValue();
        return number.abs().toString().length() <= MOST_DIGITS ? WIDE : null;
    }

    private static DataType array(JsonParser parser, int[] leaves, int depth) throws IOException {
        DataType elements = DataTypes.NullType;
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            if (elements == null) {
                parser.skipChildren();
            } else {
                // Many elements of one type are one leaf.
                elements = merged(elements, type(parser, new int[] {leaves[0]}, depth + 1));
            }
        }
        return elements == null ? null : DataTypes.createArrayType(elements);
    }

    private static DataType object(JsonParser parser, int[] leaves, int depth) throws IOException {
        Map<String, DataType> fields = new TreeMap<>();
        boolean shown = true;
        for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
            parser.nextToken();
            if (shown) {
                DataType type = type(parser, leaves, depth + 1);
                DataType all = merged(fields.getOrDefault(name, DataTypes.NullType), type);
                shown = all != null;
                fields.put(name, all);
            } else {
                parser.skipChildren();
            }
        }
        if (!shown || fields.isEmpty()) {
            return null;
        }
        StructType struct = new StructType();
        for (Map.Entry<String, DataType> field : fields.entrySet()) {
            struct = struct.add(field.getKey(), field.getValue());
        }
        return struct;
    }

    /** The type that holds the values of both; null where only text does. */
    private static DataType merged(DataType one, DataType other) {
        if (one == null || other == null) {
            return null;
        }
        if (one instanceof NullType || one.equals(other)) {
            return other;
        }
        if (other instanceof NullType) {
            return one;
        }
        if (one instanceof ArrayType first && other instanceof ArrayType second) {
            DataType elements = merged(first.elementType(), second.elementType());
            return elements == null ? null : DataTypes.createArrayType(elements);
        }
        if (one instanceof StructType first && other instanceof StructType second) {
            return merged(first, second);
        }
        boolean fractions = isNumber(one) && isNumber(other) && !one.equals(WIDE) && !other.equals(WIDE);
        boolean wide =
                (one.equals(WIDE) || other.equals(WIDE)) && (one instanceof LongType || other instanceof LongType);
        return fractions ? DataTypes.DoubleType : wide ? WIDE : null;
    }

    private static StructType merged(StructType one, StructType other) {
        if (one.size() != other.size()) {
            return null;
        }
        StructType merged = new StructType();
        for (int i = 0; i < one.size(); i++) {
            DataType type = one.apply(i).name().equals(other.apply(i).name())
                    ? merged(one.apply(i).dataType(), other.apply(i).dataType())
                    : null;
            if (type == null) {
                return null;
            }
            merged = merged.add(one.apply(i).name(), type);
        }
        return merged;
    }

    private static boolean isNumber(DataType type) {
        return type instanceof LongType || type instanceof DoubleType || type instanceof DecimalType;
    }
}
