package io.github.sparkmixtral.grammar;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;

/** What all values of a JSON schema look like, as far as one type can say it. Any value may be null beside what its shape says. */
public sealed interface JsonShape {

    /** Values without parts. */
    enum Scalar implements JsonShape {
        STRING,
        /** A string such as {@code 2024-12-31}. */
        DATE,
        /** A string such as {@code 2024-12-31T23:59:59Z}, always with its offset. */
        DATE_TIME,
        INTEGER,
        NUMBER,
        BOOLEAN,
        /** Nothing but null. */
        NULL,
        /** Values that have no shape in common, or a schema that leads back into itself. */
        ANYTHING
    }

    /** Arrays whose elements have one shape. */
    record Sequence(JsonShape element) implements JsonShape {}

    /**
     * Objects with declared properties.
     *
     * @param properties at least one, in the schema's order; an object may have others if the schema says so
     */
    record Fields(SequencedMap<String, JsonShape> properties) implements JsonShape {
        public Fields(Map<String, JsonShape> properties) {
            this(Collections.unmodifiableSequencedMap(new LinkedHashMap<>(properties)));
        }
    }

    /** Objects with any keys, whose values have one shape. */
    record Entries(JsonShape value) implements JsonShape {}

    /**
     * The shape of an answer.
     *
     * @param output of the kind {@link StructuredOutput.Kind#JSON}
     * @throws GrammarException where the schema cannot be held, or leads to more than {@value JsonShapeReader#MOST_PARTS} parts
     */
    static JsonShape of(StructuredOutput output) {
        return new JsonShapeReader(output.json()).read();
    }
}
