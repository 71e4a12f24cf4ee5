package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.SerializableConfiguration;

/**
 * Reads files that hold one JSON array, or objects one after another that do not keep to a line each. Each element becomes what a
 * line of JSON lines is, as it stands in the file.
 *
 * @param configuration of the file systems
 */
record JsonDocuments(SerializableConfiguration configuration) implements FlatMapFunction<String, Row> {

    /** Such a file has to be in memory as a whole. */
    static final int MOST_BYTES = 256 << 20;

    static final StructType SCHEMA = new StructType()
            .add(InputFiles.VALUE, DataTypes.BinaryType, false)
            .add(Input.FILE, DataTypes.StringType, false)
            .add(Input.BLOCK, DataTypes.LongType, false);

    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .enable(JsonReadFeature.ALLOW_TRAILING_COMMA)
            .build();

    @Override
    public Iterator<Row> call(String file) throws IOException {
        byte[] bytes = InputBytes.read(new Path(file), configuration.value(), MOST_BYTES + 1);
        List<byte[]> elements;
        try {
            elements = elements(bytes);
        } catch (JacksonException e) {
            throw new JobException(
                    ExitCode.INPUT_INVALID, "the input " + file + " has changed while the job ran: run it again", e);
        }
        String uri = new Path(file).toUri().toString();
        return elements.stream()
                .map(element -> RowFactory.create(element, uri, 0L))
                .iterator();
    }

    /**
     * The elements of an array, or the values one after another.
     *
     * @param utf8 a whole file
     * @throws JacksonException for what is neither
     */
    static List<byte[]> elements(byte[] utf8) throws IOException {
        int mark = InputBytes.markLength(utf8);
        List<byte[]> elements = new ArrayList<>();
        try (JsonParser parser = JSON.createParser(utf8, mark, utf8.length - mark)) {
            boolean array = parser.nextToken() == JsonToken.START_ARRAY;
            JsonToken token = array ? parser.nextToken() : parser.currentToken();
            while (token != null && token != JsonToken.END_ARRAY) {
                int start = (int) parser.currentTokenLocation().getByteOffset();
                parser.skipChildren();
                if (token.isScalarValue()) {
                    // Only then is the whole token read.
                    parser.getText();
                }
                int end = (int) parser.currentLocation().getByteOffset();
                elements.add(Arrays.copyOfRange(utf8, mark + start, mark + end));
                token = parser.nextToken();
            }
            if (array && parser.nextToken() != null) {
                throw new com.fasterxml.jackson.core.JsonParseException(
                        parser, "the array has ended, and more follows", parser.currentTokenLocation());
            }
        }
        return elements;
    }
}
