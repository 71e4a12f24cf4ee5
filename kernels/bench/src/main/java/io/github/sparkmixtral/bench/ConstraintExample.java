package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.grammar.StructuredOutput.Kind;
import java.util.ArrayList;
import java.util.List;

/** Schemas as jobs have them, and a document of the first. */
final class ConstraintExample {

    private static final String ORDER = """
            {
              "type": "object",
              "properties": {
                "%s": {"type": "string", "maxLength": 80},
                "category": {"enum": ["complaint", "question", "praise", "return", "other"]},
                "urgency": {"type": "integer", "minimum": 1, "maximum": 5},
                "confidence": {"type": "number", "minimum": 0, "maximum": 1},
                "received": {"type": "string", "format": "date"},
                "customer": {
                  "type": "object",
                  "properties": {
                    "name": {"type": "string"},
                    "email": {"type": ["string", "null"]},
                    "returning": {"type": "boolean"}
                  },
                  "required": ["name", "email", "returning"],
                  "additionalProperties": false
                },
                "items": {
                  "type": "array",
                  "maxItems": 20,
                  "items": {
                    "type": "object",
                    "properties": {
                      "sku": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{4}$"},
                      "quantity": {"type": "integer", "minimum": 1},
                      "price": {"type": "number", "minimum": 0}
                    },
                    "required": ["sku", "quantity", "price"],
                    "additionalProperties": false
                  }
                },
                "summary": {"type": "string"}
              },
              "required": ["%s", "category", "urgency", "confidence", "received", "customer", "items", "summary"],
              "additionalProperties": false
            }""";

    /** A document of {@link #order} 0. */
    static final String DOCUMENT = """
            {"title0": "Kettle arrived with a cracked lid", "category": "complaint", "urgency": 4, "confidence": 0.92, \
            "received": "2026-03-14", "customer": {"name": "Zoë Müller", "email": "zoe@example.org", "returning": true}, \
            "items": [{"sku": "KT-2041", "quantity": 1, "price": 39.9}, {"sku": "LD-0007", "quantity": 2, "price": 4.25}], \
            "summary": "The lid of the kettle was cracked on arrival; she asks for a new lid, not a refund."}""";

    private static final List<String> KINDS = List.of(
            "{\"type\": \"string\"}",
            "{\"type\": \"string\", \"maxLength\": 200}",
            "{\"type\": \"integer\", \"minimum\": 0, \"maximum\": 100000}",
            "{\"type\": \"number\"}",
            "{\"type\": [\"boolean\", \"null\"]}",
            "{\"enum\": [\"low\", \"medium\", \"high\", \"unknown\"]}",
            "{\"type\": \"string\", \"format\": \"date-time\"}",
            "{\"type\": \"string\", \"pattern\": \"^[A-Z]{3}[0-9]{2,8}$\"}",
            "{\"type\": \"array\", \"items\": {\"type\": \"string\"}, \"maxItems\": 10}",
            "{\"type\": \"object\", \"properties\": {\"value\": {\"type\": \"number\"}, \"unit\": {\"enum\": [\"kg\", \"m\", \"s\"]}},"
                    + " \"required\": [\"value\", \"unit\"]}");

    private ConstraintExample() {}

    /** What an order is; numbers differ in the name of a property. */
    static StructuredOutput order(int number) {
        return new StructuredOutput(Kind.JSON, ORDER.formatted("title" + number, "title" + number));
    }

    /** A schema of that many properties of all kinds, every other one required. */
    static StructuredOutput wide(int properties) {
        List<String> fields = new ArrayList<>();
        List<String> required = new ArrayList<>();
        for (int i = 0; i < properties; i++) {
            fields.add("\"field_%d\": %s".formatted(i, KINDS.get(i % KINDS.size())));
            if (i % 2 == 0) {
                required.add("\"field_" + i + "\"");
            }
        }
        return new StructuredOutput(
                Kind.JSON,
                "{\"type\": \"object\", \"properties\": {%s}, \"required\": [%s], \"additionalProperties\": false}"
                        .formatted(String.join(", ", fields), String.join(", ", required)));
    }
}
