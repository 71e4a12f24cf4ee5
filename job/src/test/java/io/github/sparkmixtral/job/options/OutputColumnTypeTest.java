package io.github.sparkmixtral.job.options;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.grammar.StructuredOutput.Kind;
import org.apache.spark.sql.types.DataType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OutputColumnTypeTest {
    private static final StructuredOutput PERSON = json("""
            {'type': 'object', 'properties': {'name': {'type': 'string'}, 'age': {'type': 'integer'}, 'size': {'type': 'number'},
             'born': {'type': 'string', 'format': 'date'}, 'tags': {'type': 'array', 'items': {'enum': ['a', 'b']}}}}""");

    private static StructuredOutput json(String schema) {
        return new StructuredOutput(Kind.JSON, schema.replace('\'', '"'));
    }

    @Test
    void followsFromTheSchema() {
        assertThat(OutputColumnType.resolve("schema", PERSON).sql())
                .isEqualTo("STRUCT<name: STRING, age: BIGINT, size: DOUBLE, born: DATE, tags: ARRAY<STRING>>");
        assertThat(OutputColumnType.resolve(
                                " SCHEMA ", json("{'type': 'object', 'additionalProperties': {'type': 'boolean'}}"))
                        .sql())
                .isEqualTo("MAP<STRING, BOOLEAN>");
        assertThat(OutputColumnType.resolve("schema", json("{'type': 'string', 'format': 'date-time'}"))
                        .sql())
                .isEqualTo("TIMESTAMP");
    }

    @Test
    void whatNoTypeHoldsIsText() {
        assertThat(OutputColumnType.resolve(
                                "schema",
                                json("{'properties': {'a': {'type': 'null'}, 'b': {}, 'c': {'properties':"
                                        + " {'x': {'type': 'integer'}, 'X': {'type': 'integer'}}}}}"))
                        .sql())
                .isEqualTo("STRUCT<a: STRING, b: STRING, c: STRING>");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            STRUCT<name: STRING, age: INT NOT NULL> | {'type':'object','properties':{'name':{'type':'string'},'age':{'type':'integer','minimum':-2147483648,'maximum':2147483647}},'required':['name','age'],'additionalProperties':false}
            name STRING                             | {'type':'object','properties':{'name':{'type':'string'}},'required':['name'],'additionalProperties':false}
            ARRAY<DATE>                             | {'type':'array','items':{'type':'string','format':'date'}}
            MAP<STRING, DOUBLE>                     | {'type':'object','additionalProperties':{'type':'number'}}
            DECIMAL(5, 2)                           | {'type':'number','multipleOf':0.01}
            DECIMAL(3)                              | {'type':'integer','exclusiveMinimum':-1000,'exclusiveMaximum':1000}
            TIMESTAMP                               | {'type':'string','format':'date-time'}
            """)
    void aTypeIsASchemaThatTheEngineHolds(String ddl, String schema) {
        DataType type = OutputColumnType.resolve(ddl, null);
        StructuredOutput constraint = OutputColumnType.constraint(type);
        constraint.check();
        assertThat(constraint.text().replace('"', '\'')).isEqualTo(schema);
        // What the type makes is what the schema makes, in wider numbers.
        assertThat(OutputColumnType.resolve(ddl, constraint)).isEqualTo(type);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            age INT, name STRING
            age DECIMAL(3)
            age DOUBLE, size FLOAT
            born STRING, tags STRING
            name DATE
            """)
    void aTypeMayBeNarrowerThanTheSchemasOrText(String ddl) {
        assertThat(OutputColumnType.resolve(ddl, PERSON)).isEqualTo(OutputColumnType.parse(ddl));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            STRUCT<name: STRNG>  | is no type of Spark's SQL, such as STRUCT<name: STRING, age: INT>: STRUCT<name: STRNG>
            a BINARY             | has BINARY, which JSON has no values for; take STRING, BOOLEAN, numbers, DATE, TIMESTAMP, ARRAY, MAP<STRING, …> and STRUCT
            a MAP<INT, INT>      | has MAP<INT, INT>, which JSON has no values for; take STRING, BOOLEAN, numbers, DATE, TIMESTAMP, ARRAY, MAP<STRING, …> and STRUCT
            nme STRING           | has the field nme, but the JSON schema gives the answer no such property; it has name, age, size, born, tags
            size INT             | makes the answer.size INT, but the JSON schema makes it DOUBLE: write that, STRING, or schema for all of it
            tags ARRAY<INT>      | makes the answer.tags[] INT, but the JSON schema makes it STRING: write that, STRING, or schema for all of it
            ARRAY<STRING>        | makes the answer ARRAY<STRING>, but the JSON schema makes it STRUCT<name: STRING, age: BIGINT, size: DOUBLE, born: DATE, tags: ARRAY<STRING>>: write that, STRING, or schema for all of it
            """)
    void refusesATypeThatAnswersDoNotHave(String ddl, String message) {
        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> OutputColumnType.resolve(ddl, PERSON))
                .withMessage(message);
    }

    @Test
    void needsASchema() {
        for (StructuredOutput none : new StructuredOutput[] {null, new StructuredOutput(Kind.JSON_OBJECT, "")}) {
            assertThatExceptionOfType(IllegalArgumentException.class)
                    .isThrownBy(() -> OutputColumnType.resolve("schema", none))
                    .withMessageStartingWith("schema needs a JSON schema to take the type from");
        }
        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> OutputColumnType.resolve("a INT", new StructuredOutput(Kind.REGEX, "a+")))
                .withMessageStartingWith("needs answers that are held to a JSON schema, not to regex");
    }
}
