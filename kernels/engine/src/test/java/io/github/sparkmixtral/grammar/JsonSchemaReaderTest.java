package io.github.sparkmixtral.grammar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.sparkmixtral.grammar.StructuredOutput.Kind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JsonSchemaReaderTest {
    private static Grammar grammar(String schema) {
        return new StructuredOutput(Kind.JSON, schema.replace('\'', '"')).grammar();
    }

    private static void assertTakes(String schema, boolean taken, String... documents) {
        Grammar grammar = grammar(schema);
        for (String document : documents) {
            assertThat(Texts.isWhole(grammar, document.replace('\'', '"')))
                    .as(document)
                    .isEqualTo(taken);
        }
    }

    @Test
    void propertiesComeInTheirOrder() {
        String schema = """
                {'type': 'object', 'properties': {'name': {'type': 'string'}, 'age': {'type': 'integer'}, 'city': {'type': 'string'}},
                 'required': ['name', 'city'], 'additionalProperties': false}""";
        assertTakes(
                schema,
                true,
                "{'name': 'Ada', 'age': 36, 'city': 'London'}",
                "{'name':'Ada','city':'London'}",
                "{\n  'name': 'A\\'\\u00e9\\n\\ud83d\\ude00',\n  'city': ''\n}");
        assertTakes(
                schema,
                false,
                "{'age': 36, 'name': 'Ada', 'city': 'London'}",
                "{'name': 'Ada'}",
                "{'name': 'Ada', 'city': 'London', 'x': 1}",
                "{'name': 'Ada', 'age': '36', 'city': 'London'}",
                "{'name': 'A\\ud83d', 'city': ''}",
                "{'name': 'A\tb', 'city': ''}");
    }

    @Test
    void allOptionalPropertiesMayBeMissing() {
        String schema = "{'properties': {'a': {'const': 1}, 'b': {'const': 2}, 'c': {'const': 3}}}";
        assertTakes(
                schema,
                true,
                "{}",
                "{ }",
                "{'a':1}",
                "{'b':2}",
                "{'c':3}",
                "{'a':1,'c':3}",
                "{'a': 1, 'b': 2, 'c': 3}");
        assertTakes(schema, false, "{,}", "{'a':1,}", "{'b':2,'a':1}", "{'a':1 'b':2}", "[]");
    }

    @Test
    void otherPropertiesAreNotTheDeclaredOnes() {
        String schema =
                "{'type': 'object', 'properties': {'a': {'type': 'null'}}, 'additionalProperties': {'type': 'integer'}}";
        assertTakes(schema, true, "{'a':null,'b':1,'aa':2,'':3}", "{'b':1}", "{}");
        assertTakes(schema, false, "{'a':1}", "{'b':null}", "{'b':1,'a':null}", "{'\\u0061':1}", "{'a':null,'a':1}");
    }

    @Test
    void arraysHaveTheirLengths() {
        assertTakes(
                "{'items': {'type': 'boolean'}, 'minItems': 2, 'maxItems': 3}",
                true,
                "[true,false]",
                "[ true, true, false ]");
        assertTakes(
                "{'items': {'type': 'boolean'}, 'minItems': 2, 'maxItems': 3}",
                false,
                "[]",
                "[true]",
                "[true,true,true,true]",
                "[1,2]");
        assertTakes(
                "{'prefixItems': [{'const': 1}, {'const': 2}], 'items': {'const': 0}}",
                true,
                "[]",
                "[1]",
                "[1,2]",
                "[1,2,0,0]");
        assertTakes(
                "{'prefixItems': [{'const': 1}, {'const': 2}], 'items': {'const': 0}}",
                false,
                "[2]",
                "[1,0]",
                "[1,2,1]");
        assertTakes(
                "{'prefixItems': [{'const': 1}, {'const': 2}], 'items': false, 'minItems': 1}", true, "[1]", "[1,2]");
        assertTakes(
                "{'prefixItems': [{'const': 1}, {'const': 2}], 'items': false, 'minItems': 1}", false, "[]", "[1,2,3]");
        assertTakes("{'type': 'array', 'maxItems': 0}", true, "[]");
        assertTakes("{'type': 'array', 'maxItems': 0}", false, "[1]");
        assertTakes("{'items': [{'const': 1}], 'additionalItems': {'const': 2}}", true, "[1,2,2]");
    }

    @Test
    void schemasMayLeadToThemselves() {
        String tree = """
                {'$ref': '#/$defs/node', '$defs': {'node': {'type': 'object', 'properties':
                 {'value': {'type': 'integer'}, 'children': {'type': 'array', 'items': {'$ref': '#/$defs/node'}}}, 'required': ['value']}}}""";
        assertTakes(tree, true, "{'value': 1, 'children': [{'value': 2, 'children': []}, {'value': 3}]}");
        assertTakes(
                tree, false, "{'value': 1, 'children': [{'children': []}]}", "{'value': 1, 'children': [{'value': 2}}");
    }

    /** As pydantic and zod write a model that holds itself: the way back stands beside a title, a description or a default. */
    @Test
    void whatStandsBesideAWayBackChangesNothing() {
        String list = """
                {'$ref': '#/$defs/node', '$defs': {'node': {'type': 'object', 'properties': {'value': {'type': 'integer'},
                 'next': {'anyOf': [{'$ref': '#/$defs/node'}, {'type': 'null'}], 'default': null, 'title': 'Next'}}, 'required': ['value']}}}""";
        assertTakes(list, true, "{'value': 1, 'next': {'value': 2, 'next': null}}", "{'value': 1}");
        assertTakes(list, false, "{'value': 1, 'next': {'next': null}}", "{'value': 1, 'next': 2}");
        String typed = """
                {'$ref': '#/$defs/node', '$defs': {'node': {'properties': {'children': {'type': 'array',
                 'items': {'type': 'object', '$ref': '#/$defs/node'}}}, 'required': ['children']}}}""";
        assertTakes(typed, true, "{'children': [{'children': []}]}");
        assertTakes(typed, false, "{'children': [{}]}", "{'children': [[]]}");
        assertTakes(
                "{'properties': {'child': {'default': null, 'allOf': [{'$ref': '#'}]}}}",
                true,
                "{'child':{'child':{}}}");
    }

    /** What tells the alternatives apart has to be there, even if it has a default. */
    @Test
    void discriminatorsTellAlternativesApart() {
        String expression = """
                {'$ref': '#/$defs/any', '$defs': {
                 'any': {'discriminator': {'propertyName': 'op'}, 'oneOf': [{'$ref': '#/$defs/num'}, {'$ref': '#/$defs/neg'}]},
                 'num': {'type': 'object', 'properties': {'op': {'const': 'num', 'default': 'num'}, 'v': {'type': 'integer'}}, 'required': ['v']},
                 'neg': {'type': 'object', 'properties': {'op': {'const': 'neg', 'default': 'neg'}, 'of': {'$ref': '#/$defs/any'}}, 'required': ['of']}}}""";
        assertTakes(expression, true, "{'op': 'neg', 'of': {'op': 'num', 'v': 1}}");
        assertTakes(
                expression, false, "{'v': 1}", "{'op': 'neg', 'v': 1}", "{'op': 'neg', 'of': {'op': 'neg', 'v': 1}}");
        String nested = """
                {'oneOf': [{'oneOf': [{'$ref': '#/$defs/a'}, {'$ref': '#/$defs/b'}]}, {'$ref': '#/$defs/c'}, {'const': 'none'}],
                 '$defs': {'a': {'type': 'object', 'properties': {'k': {'const': 'a'}}, 'required': ['k']},
                 'b': {'type': 'object', 'properties': {'k': {'const': 'b'}}, 'required': ['k']},
                 'c': {'type': 'object', 'properties': {'k': {'const': 'c'}}, 'required': ['k']}}}""";
        assertTakes(nested, true, "{'k':'a'}", "{'k':'b'}", "{'k':'c'}", "'none'");
        assertTakes(nested, false, "{'k':'d'}", "{}");
    }

    @Test
    void namesAreOfTheirForms() {
        String pattern = "{'type': 'object', 'patternProperties': {'^[a-z]+$': {'type': 'integer'}}}";
        assertTakes(pattern, true, "{}", "{'ab': 1, 'c': 2}");
        assertTakes(pattern, false, "{'A': 1}", "{'a': 'x'}");
        String names = """
                {'type': 'object', 'propertyNames': {'enum': ['a', 'b']}, 'additionalProperties': {'type': 'integer'}, 'required': ['a', 'b']}""";
        assertTakes(names, true, "{'a': 1, 'b': 2}");
        assertTakes(names, false, "{'a': 1}", "{'a': 1, 'b': 2, 'c': 3}", "{'a': 1, 'b': 'x'}");
    }

    @Test
    void patternsFormatsAndLengthsHoldTogether() {
        String name = "{'type': 'string', 'pattern': '^[A-Za-z][a-z0-9_]*$', 'minLength': 3, 'maxLength': 6}";
        assertTakes(name, true, "'abc'", "'Ab_123'");
        assertTakes(name, false, "'ab'", "'abc1234'", "'1bc'");
        String quoted = "{'type': 'string', 'pattern': '\\n.*x', 'maxLength': 4}";
        assertTakes(quoted, true, "'\\n\\\\\\'x'", "'a\\nxx'");
        assertTakes(quoted, false, "'\\\\nx'", "'a\\nxxx'");
        String both = "{'type': 'string', 'format': 'date', 'pattern': '^2024-'}";
        assertTakes(both, true, "'2024-02-29'");
        assertTakes(both, false, "'2023-01-01'", "'2024-02-30'");
        String mail = "{'type': 'string', 'format': 'email', 'maxLength': 20}";
        assertTakes(mail, true, "'ada.l@example.org'", "'a@b.c'");
        assertTakes(mail, false, "'ada.lovelace@example.org'", "'a@b'", "'.a@b.c'");
        String names =
                "{'properties': {'a': {'pattern': '^ab?c$', 'type': 'string', 'maxLength': 2}, 'a 1': {'pattern': '^xy?z$',"
                        + " 'type': 'string', 'maxLength': 2}}}";
        assertTakes(names, true, "{'a': 'ac', 'a 1': 'xz'}");
        assertTakes(names, false, "{'a': 'xz'}", "{'a 1': 'ac'}");
        String two = "{'type': 'string', 'allOf': [{'pattern': '^ab'}, {'pattern': 'yz$'}, {'maxLength': 5}]}";
        assertTakes(two, true, "'abyz'", "'ab yz'");
        assertTakes(two, false, "'ab'", "'ab  yz'");
        assertTakes("{'type': 'string', 'format': 'cuid', 'pattern': '^c.{3}$'}", true, "'cabc'");
        assertTakes("{'type': 'string', 'format': 'password'}", true, "'x'");
    }

    /** The pattern of pydantic's {@code Decimal}, and one of passwords. */
    @Test
    void patternsMayLookAhead() {
        String decimal = "{'type': 'string', 'pattern': '^(?!^[-+.]*$)[+-]?0*\\\\d*\\\\.?\\\\d*$'}";
        assertTakes(decimal, true, "'1.50'", "'-.5'", "'007'");
        assertTakes(decimal, false, "''", "'-'", "'.'", "'1.5.0'");
        String password = "{'type': 'string', 'pattern': '^(?=.*[A-Z])(?=.*[0-9]).{4,}$', 'maxLength': 6}";
        assertTakes(password, true, "'aB1c'", "'1Bcdef'");
        assertTakes(password, false, "'ab1c'", "'aBcd'", "'B1c'", "'aB1cdef'");
    }

    @Test
    void stringsHaveTheirFormsAndLengths() {
        assertTakes("{'type': 'string', 'minLength': 2, 'maxLength': 3}", true, "'ab'", "'é\\n😀'");
        assertTakes("{'type': 'string', 'minLength': 2, 'maxLength': 3}", false, "'a'", "'abcd'", "'\\u00e9'");
        assertTakes("{'type': 'string', 'pattern': '^[A-Z]{2}\\\\d$', 'maxLength': 5}", true, "'AB1'");
        assertTakes("{'type': 'string', 'pattern': 'b+'}", true, "'b'", "'a\\\\ \\'bbc'");
        assertTakes("{'type': 'string', 'pattern': 'b+'}", false, "'a'", "''");
        assertTakes("{'type': 'string', 'pattern': '^[a-z]+$', 'minLength': 2, 'maxLength': 3}", true, "'ab'", "'abc'");
        assertTakes(
                "{'type': 'string', 'pattern': '^[a-z]+$', 'minLength': 2, 'maxLength': 3}",
                false,
                "'a'",
                "'abcd'",
                "'aB'");
        assertTakes("{'type': 'string', 'format': 'date'}", true, "'2024-02-29'", "'1999-12-31'");
        assertTakes("{'type': 'string', 'format': 'date'}", false, "'2023-02-29'", "'2024-13-01'", "'2024-1-1'");
        assertTakes(
                "{'type': 'string', 'format': 'date-time'}",
                true,
                "'2024-02-29T23:59:59.5+01:00'",
                "'2024-01-01T00:00:00Z'");
        assertTakes("{'type': 'string', 'format': 'uuid'}", true, "'123e4567-e89b-12d3-a456-426614174000'");
        assertTakes("{'type': 'string', 'format': 'email'}", true, "'ada.l@example.org'");
        assertTakes("{'type': 'string', 'format': 'email'}", false, "'ada'", "'.a@example.org'");
        assertTakes("{'type': 'string', 'format': 'ipv4'}", true, "'255.1.0.99'");
        assertTakes("{'type': 'string', 'format': 'ipv4'}", false, "'256.1.0.9'", "'01.2.3.4'");
    }

    @Test
    void numbersHaveTheirBounds() {
        assertTakes("{'type': 'integer', 'minimum': -3, 'exclusiveMaximum': 120}", true, "-3", "0", "7", "119");
        assertTakes(
                "{'type': 'integer', 'minimum': -3, 'exclusiveMaximum': 120}", false, "-4", "120", "1.5", "007", "1e1");
        assertTakes("{'type': 'number', 'exclusiveMinimum': 0, 'maximum': 1}", true, "0.001", "1", "1.0", "0.5");
        assertTakes("{'type': 'number', 'exclusiveMinimum': 0, 'maximum': 1}", false, "0", "0.0", "1.01", "-0.5", "2");
        assertTakes("{'type': 'integer', 'multipleOf': 100, 'minimum': 50, 'maximum': 400}", true, "100", "400");
        assertTakes("{'type': 'integer', 'multipleOf': 100, 'minimum': 50, 'maximum': 400}", false, "0", "150", "500");
        assertTakes("{'type': 'number', 'multipleOf': 0.01}", true, "1.25", "7", "-0.5");
        assertTakes("{'type': 'number', 'multipleOf': 0.01}", false, "1.255", "1e5");
    }

    @Test
    void schemasHoldTogether() {
        String both = """
                {'allOf': [{'type': 'object', 'properties': {'a': {'type': 'number', 'minimum': 1}}, 'required': ['a']},
                 {'properties': {'a': {'type': 'integer', 'maximum': 3}, 'b': {'enum': ['x', null]}}}]}""";
        assertTakes(both, true, "{'a': 2}", "{'a':3,'b':null}", "{'a':1,'b':'x'}");
        assertTakes(both, false, "{'a': 4}", "{'a': 1.5}", "{'b': 'x'}", "{'a': 1, 'b': 'y'}");
        String either = "{'type': 'string', 'anyOf': [{'maxLength': 1}, {'minLength': 3}]}";
        assertTakes(either, true, "''", "'a'", "'abc'");
        assertTakes(either, false, "'ab'", "1");
        String one = """
                {'oneOf': [{'type': 'object', 'properties': {'kind': {'const': 'a'}, 'x': {'type': 'null'}}, 'required': ['kind']},
                 {'type': 'object', 'properties': {'kind': {'const': 'b'}}, 'required': ['kind']}, {'type': 'null'}]}""";
        assertTakes(one, true, "{'kind':'a','x':null}", "{'kind':'b'}", "null");
        assertTakes(one, false, "{'kind':'b','x':null}", "{}");
        assertTakes("{'type': ['string', 'integer'], 'nullable': true}", true, "'a'", "1", "null");
        assertTakes("{'enum': [1, 'a', {'b': [true]}], 'type': ['object', 'string']}", true, "'a'", "{'b':[true]}");
        assertTakes("{'enum': [1, 'a', {'b': [true]}], 'type': ['object', 'string']}", false, "1");
    }

    @Test
    void whatSaysNothingTakesEverything() {
        for (String schema : new String[] {"true", "{}", "{'title': 'x', 'x-order': 3}"}) {
            assertTakes(schema, true, "{'a': [1, -2.5e+3, {}, 'x', true, null]}", "[[], [[]]]", "'a'", "0");
            assertTakes(schema, false, "{'a': [1, 2}", "01", "+1", "{'a' 1}", "'a", "nul", "{'a':1}x");
        }
        Grammar object = new StructuredOutput(Kind.JSON_OBJECT, "").grammar();
        assertThat(Texts.isWhole(object, "{\"a\": {\"b\": [1]}}")).isTrue();
        assertThat(Texts.isBeginning(object, "[")).isFalse();
    }

    @Test
    void whatTakesNothingIsLeftOut() {
        assertTakes("{'anyOf': [{'not': {}}, {'type': 'integer'}]}", true, "1");
        assertTakes("{'anyOf': [{'not': {}}, {'type': 'integer'}]}", false, "'a'");
        assertTakes("{'type': 'integer', 'not': false}", true, "1");
    }

    @Test
    void longPathsAreCut() {
        String schema = "{'items': ".repeat(200) + "7" + "}".repeat(200);
        assertThatExceptionOfType(GrammarException.class)
                .isThrownBy(() -> grammar(schema))
                .withMessageMatching("the JSON schema at #/items/.{100,150} … .{150} lies deeper than 128 schemas");
    }

    /** No answer drowns in white space or digits. */
    @Test
    void whiteSpaceAndDigitsAreBounded() {
        Grammar any = grammar("true");
        assertThat(Texts.isBeginning(any, "{" + " ".repeat(2))).isFalse();
        assertThat(Texts.isBeginning(any, "{\n" + " ".repeat(21))).isFalse();
        assertThat(Texts.isBeginning(any, "1".repeat(17))).isFalse();
        assertThat(Texts.isBeginning(any, " ")).isFalse();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'not': {}} | at #/not takes no value at all",
                "{'not': {'type': 'string'}} | at #/not is supported only as {\"not\": {}}, which takes no value",
                "{'type': null} | at #/type names the unknown type (null)",
                "{'type': []} | at #/type must name a type",
                "{'type': 'string', 'pattern': ['a']} | at #/pattern must be a string, not [\"a\"]",
                "{'type': 'string', 'pattern': '^a+$', 'format': 'date'} | at # takes no string: its pattern, format and lengths leave none",
                "{'type': 'string', 'pattern': '^(ab)+$', 'maxLength': 1, 'minLength': 1} | at # takes no string: its pattern, format and lengths leave none",
                "{'type': 'string', 'pattern': '^(ab?)+$', 'maxLength': 9000} | at # would have to tell too many places in a string apart (the most is 3000): make it simpler or shorter",
                "{'type': 'object', 'patternProperties': {'a': {}, 'b': {}}} | at #/patternProperties is supported only alone: without properties and required, and one pattern only, without additionalProperties",
                "{'oneOf': [{'type': 'string', 'nullable': true}, {'type': 'null'}]} | at #/oneOf wants just one of its alternatives to hold, but 0 and 1 may hold at once: make them different in type, or in a required property that is const, or use anyOf",
                "{'properties': {'a': {'type': 'array', 'contains': {}}}} | at #/properties/a/contains is a keyword that is not supported",
                "{'properties': {'a/b': {'if': {}}}} | at #/properties/a~1b/if is a keyword that is not supported",
                "{'type': 'array', 'uniqueItems': true} | at #/uniqueItems is a keyword that is not supported",
                "{'type': 'text'} | at #/type names the unknown type text",
                "{'$ref': '#/$defs/x'} | at #/$ref leads to #/$defs/x, which is not in this schema",
                "{'$ref': 'https://example.org/x'} | at #/$ref leads to https://example.org/x, which is not in this schema",
                "{'type': 'string', 'pattern': '(?=a)'} | at #/pattern is no pattern that can be held: the regular expression has a look-around or a flag, which is not supported, at character 1 of (?=a)",
                "{'type': 'string', 'pattern': 7} | at #/pattern must be a string, not 7",
                "{'type': 'string', 'format': 'regex'} | at #/format is regex, but only these are supported: date, date-time, duration, email, hostname, ipv4, ipv6, time, uri, uuid",
                "{'type': 'integer', 'multipleOf': 7} | at #/multipleOf is 7, but only powers of ten are supported: 0.01, 1, 100",
                "{'type': 'integer', 'minimum': 3, 'maximum': 2} | at # has bounds between which no number lies",
                "{'type': 'string', 'minLength': 3, 'maxLength': 2} | at # wants a string of at least 3 and at most 2 characters",
                "{'properties': {'a': false}, 'required': ['a']} | at #/properties/a takes no value at all",
                "{'enum': ['a'], 'type': 'integer'} | at # gives values of which none is valid",
                "{'oneOf': [{'type': 'integer'}, {'type': 'number'}]} | at #/oneOf wants just one of its alternatives to hold, but 0 and 1 may hold at once: make them different in type, or in a required property that is const, or use anyOf",
                "{'minLength': 'x'} | at #/minLength must be a whole number from 0 on, not \"x\"",
                "{'properties': []} | at #/properties must be an object",
                "7 | at # must be an object, true or false, not 7"
            })
    void whatCannotBeHeldIsRefusedWithItsPath(String schema, String message) {
        assertThatExceptionOfType(GrammarException.class)
                .isThrownBy(() -> grammar(schema))
                .withMessage("the JSON schema " + message);
    }

    /** What has no bearing on values is passed over, and so are keywords about other types. */
    @Test
    void annotationsChangeNothing() {
        String bare = "{'type': 'integer', 'minimum': 1, 'maximum': 3}";
        String annotated =
                "{'$schema': 'https://json-schema.org/draft/2020-12/schema', '$id': 'x', '$comment': 'c', 'title': 't',"
                        + " 'description': 'd', 'default': 9, 'examples': [8], 'deprecated': true, 'readOnly': true, 'x-order': 1,"
                        + " 'strict': false, 'format': 'int32', 'maxLength': 0, 'required': ['a'],"
                        + " 'type': 'integer', 'minimum': 1, 'maximum': 3}";
        for (String text : new String[] {"1", "3", "4", "9", "8", "\"a\""}) {
            assertThat(Texts.isWhole(grammar(annotated), text))
                    .as(text)
                    .isEqualTo(Texts.isWhole(grammar(bare), text))
                    .isEqualTo(text.equals("1") || text.equals("3"));
        }
    }

    @Test
    void whatHasNoEndIsRefused() {
        assertThatExceptionOfType(GrammarException.class)
                .isThrownBy(() -> grammar("{'$ref': '#'}"))
                .withMessageContaining("no text is possible");
        assertThatExceptionOfType(GrammarException.class)
                .isThrownBy(() -> grammar("{'type': 'object', 'properties': {'a': {'$ref': '#'}}, 'required': ['a']}"))
                .withMessageContaining("no text is possible");
        assertThatExceptionOfType(GrammarException.class)
                .isThrownBy(() -> grammar("{'anyOf': [{'$ref': '#'}, {'type': 'null'}]}"))
                .withMessageContaining("begins with itself");
        assertThatExceptionOfType(GrammarException.class)
                .isThrownBy(() -> grammar("{'allOf': [{'$ref': '#'}]}"))
                .withMessageContaining("no text is possible");
    }

    @Test
    void brokenJsonIsNoSchema() {
        assertThatExceptionOfType(GrammarException.class)
                .isThrownBy(() -> grammar("{'type': "))
                .withMessageStartingWith("the JSON schema is not valid JSON: Unexpected end-of-input");
    }
}
