package io.github.sparkmixtral.grammar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.sparkmixtral.grammar.JsonShape.Entries;
import io.github.sparkmixtral.grammar.JsonShape.Fields;
import io.github.sparkmixtral.grammar.JsonShape.Sequence;
import io.github.sparkmixtral.grammar.StructuredOutput.Kind;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JsonShapeTest {

    /** Shapes in short: {@code {name: string, tags: [string]}}, {@code {*: number}}. */
    private static String shape(String schema) {
        return told(JsonShape.of(new StructuredOutput(Kind.JSON, schema.replace('\'', '"'))));
    }

    private static String told(JsonShape shape) {
        return switch (shape) {
            case JsonShape.Scalar scalar -> scalar.name().toLowerCase(java.util.Locale.ROOT);
            case Sequence sequence -> "[" + told(sequence.element()) + "]";
            case Entries entries -> "{*: " + told(entries.value()) + "}";
            case Fields fields ->
                fields.properties().entrySet().stream()
                        .map(field -> field.getKey() + ": " + told(field.getValue()))
                        .collect(Collectors.joining(", ", "{", "}"));
        };
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            {'type': 'string'}                                                          | string
            {'type': 'string', 'format': 'date'}                                        | date
            {'type': 'string', 'format': 'date-time'}                                   | date_time
            {'type': 'string', 'format': 'uuid'}                                        | string
            {'type': 'integer', 'minimum': 3}                                           | integer
            {'type': 'number'}                                                          | number
            {'type': ['integer', 'number']}                                             | number
            {'type': 'boolean'}                                                         | boolean
            {'type': ['integer', 'null']}                                               | integer
            {'type': 'integer', 'nullable': true}                                       | integer
            {'anyOf': [{'type': 'string', 'format': 'date'}, {'type': 'null'}]}         | date
            {'anyOf': [{'type': 'integer'}, {'type': 'number'}]}                        | number
            {'anyOf': [{'type': 'integer'}, {'type': 'string'}]}                        | anything
            {'type': ['integer', 'string']}                                             | anything
            {'type': 'null'}                                                            | null
            {'enum': ['a', 'b']}                                                        | string
            {'enum': [1, 2, null]}                                                      | integer
            {'enum': [1, 'a']}                                                          | anything
            {'const': 2.5}                                                              | number
            {}                                                                          | anything
            true                                                                        | anything
            {'type': 'array', 'items': {'type': 'integer'}}                             | [integer]
            {'items': {'type': 'integer'}}                                              | [integer]
            {'type': 'array'}                                                           | [anything]
            {'type': 'array', 'prefixItems': [{'type': 'integer'}, {'type': 'number'}]} | [number]
            {'type': 'array', 'prefixItems': [{'type': 'integer'}, {'type': 'string'}]} | [anything]
            {'type': 'object'}                                                          | anything
            {'type': 'object', 'additionalProperties': {'type': 'integer'}}             | {*: integer}
            {'type': 'object', 'patternProperties': {'a': {'type': 'integer'}}}         | {*: integer}
            {'anyOf': [{'not': {}}, {'type': 'integer'}]}                               | integer
            {'properties': {'b': {'type': 'string'}, 'a': {'type': 'integer'}}}         | {b: string, a: integer}
            {'properties': {'b': {'type': 'string'}}, 'required': ['a']}                | {b: string, a: anything}
            {'allOf': [{'properties': {'a': {'type': 'integer'}}}, {'properties': {'b': {'type': 'boolean'}}}]} | {a: integer, b: boolean}
            {'properties': {'a': {'type': 'integer'}}, 'anyOf': [{'properties': {'b': {'type': 'string'}}}, {'properties': {'b': {'type': 'string'}}}]} | {a: integer, b: string}
            {'$ref': '#/$defs/river', '$defs': {'river': {'properties': {'km': {'type': 'integer'}}}}} | {km: integer}
            """)
    void saysWhatValuesHaveInCommon(String schema, String shape) {
        assertThat(shape(schema)).isEqualTo(shape);
    }

    @Test
    void aSchemaThatLeadsBackIntoItselfEndsThere() {
        assertThat(
                        shape(
                                "{'type': 'object', 'properties': {'v': {'type': 'integer'}, 'more': {'type': 'array', 'items': {'$ref': '#'}}}}"))
                .isEqualTo("{v: integer, more: [anything]}");
        assertThat(
                        shape(
                                "{'$ref': '#/$defs/n', '$defs': {'n': {'type': 'object', 'properties': {'v': {'type': 'integer'},"
                                        + " 'next': {'description': 'x', 'anyOf': [{'$ref': '#/$defs/n'}, {'type': 'null'}]}}}}}"))
                .isEqualTo("{v: integer, next: anything}");
    }

    @Test
    void refusesASchemaWithTooManyParts() {
        StringBuilder schema = new StringBuilder("{'$ref': '#/$defs/d0', '$defs': {");
        for (int i = 0; i < 20; i++) {
            String next = "{'$ref': '#/$defs/d" + (i + 1) + "'}";
            schema.append("'d" + i + "': {'type': 'object', 'properties': {'a': " + next + ", 'b': " + next + "}}, ");
        }
        schema.append("'d20': {'type': 'integer'}}}");
        assertThatExceptionOfType(GrammarException.class)
                .isThrownBy(() -> shape(schema.toString()))
                .withMessage("the JSON schema at # leads to more than 5000 parts, too many for one type");
    }
}
