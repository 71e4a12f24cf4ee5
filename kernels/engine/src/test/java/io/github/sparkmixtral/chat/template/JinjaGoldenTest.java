package io.github.sparkmixtral.chat.template;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;

/** Holds the language of templates to jinja2, feature by feature; {@code jinja.py} made the golden file. */
class JinjaGoldenTest {

    @Test
    void rendersAsJinjaDoesOrRefusesByName() throws IOException {
        JsonNode golden = golden();
        List<String> wrong = new ArrayList<>();
        Set<String> refused = new TreeSet<>();
        int rendered = 0;
        for (JsonNode one : golden.get("cases")) {
            String template = one.get("template").asText();
            String expected =
                    one.get("result").isNull() ? null : one.get("result").asText();
            String actual;
            try {
                actual = JinjaTemplate.parse(template)
                        .render(variables(golden.get("variables")))
                        .value();
                rendered++;
            } catch (TemplateException e) {
                actual = null;
                if (expected != null) {
                    refused.add(e.getMessage().replaceFirst("^line \\d+ of the chat template: ", ""));
                    continue;
                }
            }
            if (!java.util.Objects.equals(expected, actual)) {
                wrong.add(template + "\n  jinja2: " + expected + "\n  here:   " + actual);
            }
        }
        assertThat(wrong).isEmpty();
        assertThat(rendered).isGreaterThan(600);
        assertThat(refused)
                .allMatch(message -> message.endsWith(", which is not supported here"))
                .map(message -> message.replaceFirst(".* uses ", "").replace(", which is not supported here", ""))
                .containsExactlyInAnyOrder(
                        "the tag 'autoescape'",
                        "the tag 'block'",
                        "'%' on a string",
                        "'+' with an escaped string",
                        "the attribute '__class__'",
                        "the filter 'batch'",
                        "the filter 'groupby'",
                        "the filter 'truncate'",
                        "the method 'encode' of a string",
                        "the method 'format' of a string",
                        "the printing of a range");
    }

    private static Variables variables(JsonNode values) {
        Variables variables = new Variables();
        values.properties().forEach(value -> variables.put(value.getKey(), value.getValue()));
        return variables;
    }

    private static JsonNode golden() throws IOException {
        try (InputStream file = JinjaGoldenTest.class.getResourceAsStream("/golden/chat/jinja.json.gz")) {
            return new ObjectMapper().readTree(new GZIPInputStream(file));
        }
    }
}
