package io.github.sparkmixtral.job.input;

import io.github.sparkmixtral.job.fault.JobException;
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
 * Replaces the last column, the offset of the row's block in its file, by the row's position and its ordinal in its file, and drops
 * blank lines, which have a position all the same. The rows of a block come in order and together.
 *
 * @param line column of the line; null where there are no lines
 * @param schema of the numbered rows, which carry it: Spark may hand them to the next function as they are
 * @param starts by {@link #key}, where a block begins
 */
record RowNumbering(String line, StructType schema, HashMap<String, Start> starts)
        implements MapPartitionsFunction<Row, Row> {

    /** The position and the ordinal of a block's first row. */
    record Start(long position, long ordinal) implements java.io.Serializable {}

    static String key(String file, long block) {
        return file + "#" + block;
    }

    @Override
    public Iterator<Row> call(Iterator<Row> rows) {
        return new Iterator<>() {
            private final Map<String, Start> next = new HashMap<>();
            private Row row;

            @Override
            public boolean hasNext() {
                while (row == null && rows.hasNext()) {
                    row = numbered(rows.next(), next);
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

    /** Null for a blank line. */
    private Row numbered(Row row, Map<String, Start> next) {
        int block = row.size() - 1;
        String file = row.getString(row.fieldIndex(Input.FILE));
        String key = key(file, row.getLong(block));
        Start start = next.computeIfAbsent(key, starts::get);
        if (start == null) {
            throw JobException.input("the input " + file + " has changed while the job ran: run it again");
        }
        boolean blank = isBlank(row, line);
        next.put(key, new Start(start.position() + 1, start.ordinal() + (blank ? 0 : 1)));
        if (blank) {
            return null;
        }
        Object[] values = new Object[row.size() + 1];
        for (int i = 0; i < block; i++) {
            values[i] = row.get(i);
        }
        values[block] = start.position();
        values[block + 1] = start.ordinal();
        return new GenericRowWithSchema(values, schema);
    }

    /** Whether the row's line is nothing but blanks and a byte order mark. */
    static boolean isBlank(Row row, String line) {
        if (line == null) {
            return false;
        }
        Object value = row.get(row.fieldIndex(line));
        return isBlank(value instanceof String text ? text.getBytes(StandardCharsets.UTF_8) : (byte[]) value);
    }

    static boolean isBlank(byte[] utf8) {
        for (byte b : utf8) {
            boolean mark = b == (byte) 0xEF || b == (byte) 0xBB || b == (byte) 0xBF;
            if (b != ' ' && b != '\t' && b != '\r' && !mark) {
                return false;
            }
        }
        return true;
    }
}
