package io.github.sparkmixtral.grammar;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import io.github.sparkmixtral.grammar.StructuredOutput.Kind;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Random schemas, held to a validator: every text of the grammar is valid, and every document made for the schema is taken. */
class RandomSchemasTest {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
    private static final SchemaRegistry REGISTRY =
            SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12);

    private final Random random = new Random(11);

    /** A schema, and a document that is valid by it. */
    private record Example(JsonNode schema, JsonNode document) {}

    @Test
    void textsAreValidAndValidDocumentsAreTaken() {
        int whole = 0;
        for (int i = 0; i < 300; i++) {
            Example example = example(3);
            String schema = example.schema().toString();
            Grammar grammar = new StructuredOutput(Kind.JSON, schema).grammar();
            Schema judge = REGISTRY.getSchema(schema, InputFormat.JSON);
            String document = example.document().toString();
            assertThat(judge.validate(document, InputFormat.JSON)).as(schema).isEmpty();
            assertThat(Texts.isWhole(grammar, document))
                    .as(document + " of " + schema)
                    .isTrue();
            States states = new States(new Automaton(grammar));
            for (int run = 0; run < 4; run++) {
                String text = Texts.random(states, random, 2000);
                if (text != null) {
                    whole++;
                    assertThat(judge.validate(text, InputFormat.JSON))
                            .as(text + " of " + schema)
                            .isEmpty();
                }
            }
        }
        assertThat(whole).isGreaterThan(800);
    }

    private Example example(int depth) {
        return switch (random.nextInt(depth > 0 ? 10 : 5)) {
            case 0 -> string();
            case 1 -> number();
            case 2 -> new Example(type("boolean"), NODES.booleanNode(random.nextBoolean()));
            case 3 -> values();
            case 4 -> new Example(NODES.booleanNode(true), NODES.nullNode());
            case 5, 6 -> array(depth);
            case 7 -> anyOf(depth);
            default -> object(depth);
        };
    }

    private static ObjectNode type(String type) {
        return NODES.objectNode().put("type", type);
    }

    private Example string() {
        String text = "aé\"\n😀".repeat(2).substring(0, random.nextInt(5));
        ObjectNode schema = type("string");
        int length = text.codePointCount(0, text.length());
        if (random.nextBoolean()) {
            schema.put("minLength", Math.max(0, length - random.nextInt(3)));
            schema.put("maxLength", length + random.nextInt(3));
        } else if (random.nextBoolean()) {
            schema.put("pattern", "^[a-zé\"\\n😀]*$");
        }
        return new Example(schema, NODES.textNode(text));
    }

    private Example number() {
        boolean whole = random.nextBoolean();
        int value = random.nextInt(2000) - 1000;
        ObjectNode schema = type(whole ? "integer" : "number");
        if (random.nextBoolean()) {
            schema.put("minimum", value - random.nextInt(20));
        }
        if (random.nextBoolean()) {
            schema.put("exclusiveMaximum", value + 1 + random.nextInt(20));
        }
        return new Example(schema, NODES.numberNode(value));
    }

    private Example values() {
        ArrayNode values = NODES.arrayNode().add("a\\b").add(-1.5).addNull().add(true);
        values.add(NODES.objectNode().put("k", 1));
        if (random.nextBoolean()) {
            return new Example(NODES.objectNode().set("const", values.get(random.nextInt(1))), values.get(0));
        }
        return new Example(NODES.objectNode().set("enum", values), values.get(random.nextInt(values.size())));
    }

    private Example array(int depth) {
        Example element = example(depth - 1);
        ObjectNode schema = type("array").set("items", element.schema());
        ArrayNode document = NODES.arrayNode();
        int size = random.nextInt(4);
        for (int i = 0; i < size; i++) {
            document.add(element.document());
        }
        if (random.nextBoolean()) {
            schema.put("minItems", Math.max(0, size - random.nextInt(2)));
            schema.put("maxItems", size + random.nextInt(2));
        }
        if (random.nextInt(3) == 0) {
            Example first = example(depth - 1);
            schema.set("prefixItems", NODES.arrayNode().add(first.schema()));
            if (size > 0) {
                document.set(0, first.document());
            }
        }
        return new Example(schema, document);
    }

    private Example anyOf(int depth) {
        Example one = example(depth - 1);
        Example other = example(depth - 1);
        String keyword = random.nextBoolean() ? "anyOf" : "allOf";
        ArrayNode schemas = NODES.arrayNode().add(one.schema());
        if (keyword.equals("anyOf")) {
            schemas.add(other.schema());
        } else {
            schemas.add(true);
        }
        return new Example(NODES.objectNode().set(keyword, schemas), one.document());
    }

    private Example object(int depth) {
        ObjectNode properties = NODES.objectNode();
        ObjectNode document = NODES.objectNode();
        ArrayNode required = NODES.arrayNode();
        int size = random.nextInt(5);
        for (int i = 0; i < size; i++) {
            String name = "n" + i + (random.nextInt(4) == 0 ? "\"/é" : "");
            Example value = example(depth - 1);
            properties.set(name, value.schema());
            boolean must = random.nextBoolean();
            if (must) {
                required.add(name);
            }
            if (must || random.nextBoolean()) {
                document.set(name, value.document());
            }
        }
        ObjectNode schema = type("object").set("properties", properties);
        schema.set("required", required);
        if (random.nextBoolean()) {
            Example other = example(depth - 1);
            schema.set("additionalProperties", other.schema());
            if (random.nextBoolean()) {
                document.set("other", other.document());
            }
        } else {
            schema.put("additionalProperties", false);
        }
        return new Example(schema, document);
    }
}
