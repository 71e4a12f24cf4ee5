package io.github.sparkmixtral.job.input;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.NoSuchElementException;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.expressions.GenericRowWithSchema;
import org.apache.spark.sql.types.StructType;

/**
 * Replaces the last column, the offset of the row's block in its file, by the row's position in its file, and drops blank lines,
 * which have a position all the same. The rows of a block come in order and together.
 *
 * @param file column of the file's URI
 * @param line column of the line; null where there are no lines
 * @param schema of the numbered rows, which carry it: Spark may hand them to the next function as they are
 * @param firstPositions by {@link #key}, the position of a block's first row; 1 for a block that is not in it
 */
record RowNumbering(String file, String line, StructType schema, HashMap<String, Long> firstPositions)
        implements MapPartitionsFunction<Row, Row> {

    static String key(String file, long block) {
        return file + "#" + block;
    }

    @Override
    public Iterator<Row> call(Iterator<Row> rows) {
        return new Iterator<>() {
            private final Map<String, Long> next = new HashMap<>(firstPositions);
            private Row row;

            @Override
            public boolean hasNext() {
                while (row == null && rows.hasNext()) {
                    Row read = rows.next();
                    Row numbered = numbered(read, next);
                    if (!isBlank(read, line)) {
                        row = numbered;
                    }
                }
                return row != null;
            }

            @Override
            public Row next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                Row current = row;
                row = null;
                return current;
            }
        };
    }

    private Row numbered(Row row, Map<String, Long> next) {
        Object[] values = new Object[row.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = row.get(i);
        }
        int last = values.length - 1;
        String key = key((String) values[row.fieldIndex(file)], (Long) values[last]);
        long position = next.getOrDefault(key, 1L);
        next.put(key, position + 1);
        values[last] = position;
        return new GenericRowWithSchema(values, schema);
    }

    /** Whether the row's line is nothing but blanks and a byte order mark. */
    static boolean isBlank(Row row, String line) {
        if (line == null) {
            return false;
        }
        Object value = row.get(row.fieldIndex(line));
        byte[] utf8 = value instanceof String text ? text.getBytes(StandardCharsets.UTF_8) : (byte[]) value;
        for (byte b : utf8) {
            boolean mark = b == (byte) 0xEF || b == (byte) 0xBB || b == (byte) 0xBF;
            if (b != ' ' && b != '\t' && b != '\r' && !mark) {
                return false;
            }
        }
        return true;
    }
}
