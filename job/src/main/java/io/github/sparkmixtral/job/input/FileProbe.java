package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.io.JsonEOFException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import io.github.sparkmixtral.job.options.InputFormat;
import java.io.IOException;
import java.io.InputStream;
import java.io.Serializable;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.function.Function;
import org.apache.spark.util.SerializableConfiguration;

/**
 * Looks at the beginnings of files of text, before anything is made of them: how each is to be read, or why it cannot be.
 *
 * @param format of all files
 * @param configuration of the file systems
 */
record FileProbe(InputFormat format, SerializableConfiguration configuration)
        implements Function<String, FileProbe.Found> {

    /**
     * What was found.
     *
     * @param file its path
     * @param fault what is wrong and the way out, to be put behind the file's name; null where nothing is
     * @param document whether it is JSON that does not keep to lines
     * @param csv null for other formats, and for a file without a header
     */
    record Found(String file, String fault, boolean document, CsvDialect csv) implements Serializable {}

    private static final int HEAD_BYTES = 1 << 20;

    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .build();

    private static final Set<String> SPLIT = Set.of("columns", "index", "data");
    private static final Set<String> TABLE = Set.of("schema", "data");

    private static final String COLUMNS = "holds columns, as pandas' to_json() writes them, and not rows: write it with"
            + " to_json(path, orient=\"records\", lines=True)";

    @Override
    public Found call(String file) throws IOException {
        Path path = new Path(file);
        byte[] head = InputBytes.read(path, configuration.value(), HEAD_BYTES);
        String fault = TextEncoding.fault(head);
        if (fault != null) {
            return new Found(file, fault, false, null);
        }
        return switch (format) {
            case JSONL -> json(file, head);
            case CSV -> csv(file, head);
            case TEXT, PARQUET, TABLE -> new Found(file, null, false, null);
        };
    }

    private Found csv(String file, byte[] head) throws IOException {
        if (RowNumbering.isBlank(head)) {
            return new Found(file, null, false, null);
        }
        try (InputStream in = InputBytes.open(new Path(file), configuration.value())) {
            return new Found(file, null, false, CsvDialect.of(in, file));
        } catch (CsvDialect.FaultException e) {
            return new Found(file, e.getMessage(), false, null);
        }
    }

    private Found json(String file, byte[] head) throws IOException {
        int start = InputBytes.markLength(head);
        while (start < head.length && Character.isWhitespace(head[start])) {
            start++;
        }
        if (start == head.length) {
            return new Found(file, null, false, null);
        }
        if (head[start] == '[') {
            int next = start + 1;
            while (next < head.length && Character.isWhitespace(head[next])) {
                next++;
            }
            char first = next < head.length ? (char) head[next] : 0;
            if (first == '[') {
                return new Found(file, COLUMNS, false, null);
            }
            boolean array = first == '{' || first == ']';
            return array ? document(file, true) : new Found(file, null, false, null);
        }
        int end = start;
        while (end < head.length && head[end] != '\n') {
            end++;
        }
        byte[] line = Arrays.copyOfRange(head, start, end);
        boolean whole = end < head.length || head.length < HEAD_BYTES;
        boolean alone =
                whole && RowNumbering.isBlank(Arrays.copyOfRange(head, end, head.length)) && head.length < HEAD_BYTES;
        if ((alone || !whole) && holdsColumns(line)) {
            return new Found(file, COLUMNS, false, null);
        }
        return whole && line[0] == '{' && goesOn(line) ? document(file, false) : new Found(file, null, false, null);
    }

    /** Whether an object does not end in its line, or a second one begins there. */
    private static boolean goesOn(byte[] line) throws IOException {
        try (JsonParser parser = JSON.createParser(line)) {
            parser.nextToken();
            parser.skipChildren();
            return parser.nextToken() == JsonToken.START_OBJECT;
        } catch (JsonEOFException e) {
            return true;
        } catch (JacksonException e) {
            return false;
        }
    }

    /** @param array whether it must be one; else it is lines if it is no document */
    private Found document(String file, boolean array) throws IOException {
        byte[] bytes = InputBytes.read(new Path(file), configuration.value(), JsonDocuments.MOST_BYTES + 1);
        String lines = ": make lines of it with jq -c '" + (array ? ".[]" : ".") + "'";
        if (bytes.length > JsonDocuments.MOST_BYTES) {
            return new Found(
                    file,
                    (array ? "is a JSON array" : "holds objects that do not keep to a line each and is")
                            + " of more than " + (JsonDocuments.MOST_BYTES >> 20) + " MiB" + lines,
                    false,
                    null);
        }
        try {
            List<byte[]> elements = JsonDocuments.elements(bytes);
            boolean columns = elements.size() == 1 && !array && holdsColumns(elements.getFirst());
            return new Found(file, columns ? COLUMNS : null, true, null);
        } catch (JacksonException e) {
            String fault = "begins like a JSON array and is none: at line "
                    + e.getLocation().getLineNr() + ", column "
                    + e.getLocation().getColumnNr() + " "
                    + e.getOriginalMessage().lines().findFirst().orElse("");
            return new Found(file, array ? fault : null, false, null);
        }
    }

    /** Whether an object, or its beginning, is a table by columns, or by the numbers of its rows. */
    private static boolean holdsColumns(byte[] object) throws IOException {
        boolean byColumns = true;
        boolean byRows = true;
        int fields = 0;
        Set<String> names = new java.util.HashSet<>();
        try (JsonParser parser = JSON.createParser(object)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return false;
            }
            for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                fields++;
                names.add(name);
                boolean nested = parser.nextToken() == JsonToken.START_OBJECT;
                byRows &= nested && isNumber(name);
                String first = nested ? parser.nextFieldName() : null;
                byColumns &= first != null && isNumber(first);
                if (!byColumns && !byRows && !SPLIT.contains(name) && !TABLE.contains(name)) {
                    return false;
                }
                if (first != null) {
                    skipRest(parser);
                } else {
                    parser.skipChildren();
                }
            }
        } catch (JsonEOFException e) {
            // What there is of it decides.
        } catch (JacksonException e) {
            return false;
        }
        boolean table = names.contains("data") && (SPLIT.equals(names) || TABLE.equals(names));
        return fields > 0 && (byColumns || byRows || table);
    }

    /** From a field's name to the end of its object. */
    private static void skipRest(JsonParser parser) throws IOException {
        do {
            parser.nextToken();
            parser.skipChildren();
        } while (parser.nextFieldName() != null);
    }

    private static boolean isNumber(String name) {
        return !name.isEmpty() && name.chars().allMatch(c -> c >= '0' && c <= '9');
    }
}
