package io.github.sparkmixtral.job;

import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.NoSuchElementException;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;

/**
 * Replaces the last column, the offset of the row's block in its file, by the row's position in its file, and drops rows whose
 * request is blank or null, which have a position all the same. The rows of a block come in order and together.
 *
 * @param fileIndex column of the file's URI
 * @param requestIndex column of the request
 * @param firstPositions by {@link #key}, the position of a block's first row; 1 for a block that is not in it
 */
record RowNumbering(int fileIndex, int requestIndex, HashMap<String, Long> firstPositions)
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
                    Row numbered = numbered(rows.next(), next);
                    if (!isBlank((byte[]) numbered.get(requestIndex))) {
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
        String key = key((String) values[fileIndex], (Long) values[last]);
        long position = next.getOrDefault(key, 1L);
        next.put(key, position + 1);
        values[last] = position;
        return RowFactory.create(values);
    }

    /** Whether nothing but blanks and a byte order mark is there. */
    static boolean isBlank(byte[] utf8) {
        if (utf8 == null) {
            return true;
        }
        for (byte b : utf8) {
            boolean mark = b == (byte) 0xEF || b == (byte) 0xBB || b == (byte) 0xBF;
            if (b != ' ' && b != '\t' && b != '\r' && !mark) {
                return false;
            }
        }
        return true;
    }
}
