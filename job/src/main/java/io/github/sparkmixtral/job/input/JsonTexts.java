package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.job.input.RequestReader.RowException;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.sql.api.java.UDF1;

/**
 * The values of a line that are text in the output although they are none: JSON with every digit, which Spark's own reader would round
 * to doubles.
 *
 * @param names keys at the top of the line
 */
record JsonTexts(String[] names) implements UDF1<byte[], Map<String, String>> {

    @Override
    public Map<String, String> call(byte[] line) {
        Map<String, String> texts = new HashMap<>();
        try {
            JsonNode row = JsonLine.parse(line);
            for (String name : names) {
                if (row.hasNonNull(name)) {
                    JsonNode value = row.get(name);
                    texts.put(name, value.isTextual() ? value.textValue() : value.toString());
                }
            }
        } catch (RowException e) {
            // The row gets its error where it is asked; a line that is blank has no row.
            return Map.of();
        }
        return texts;
    }
}
