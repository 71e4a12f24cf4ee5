package io.github.sparkmixtral.engine;

import static org.assertj.core.api.Assertions.assertThat;

import com.networknt.schema.InputFormat;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import io.github.sparkmixtral.engine.Completion.Output;
import io.github.sparkmixtral.grammar.Constraint;
import io.github.sparkmixtral.grammar.Constraints;
import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.grammar.StructuredOutput.Kind;
import io.github.sparkmixtral.grammar.TokenTrie;
import io.github.sparkmixtral.testkit.FakeBackend;
import io.github.sparkmixtral.testkit.TinyTokenizer;
import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** A model that says anything, held to constraints. */
class ConstrainedEngineTest {
    private static final Constraints CONSTRAINTS =
            new Constraints(new TokenTrie(TinyTokenizer.SIZE, TinyTokenizer.INSTANCE.textBytes()));

    private static final String[] SCHEMAS = {
        "{\"type\": \"object\"}",
        "{\"type\": \"array\", \"maxItems\": 4}",
        "{\"type\": \"string\", \"maxLength\": 12}",
        "{\"type\": \"number\"}",
        "{\"type\": \"integer\", \"minimum\": 10, \"maximum\": 250}",
        "{\"type\": \"boolean\"}",
        "{\"enum\": [\"yes\", \"no\", 7, null]}",
        "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\"}}, \"required\": [\"a\"]}",
        "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"string\"}, \"b\": {\"type\": \"null\"}}}",
        "{\"type\": \"array\", \"items\": {\"type\": \"integer\"}, \"minItems\": 2, \"maxItems\": 5}",
        "{\"type\": \"array\", \"prefixItems\": [{\"type\": \"boolean\"}, {\"const\": 1}], \"items\": false}",
        "{\"anyOf\": [{\"type\": \"string\", \"pattern\": \"^[a-c]+$\", \"maxLength\": 9}, {\"type\": \"integer\"}]}",
        "{\"type\": \"string\", \"format\": \"date\"}",
        "{\"type\": \"string\", \"format\": \"date-time\"}",
        "{\"type\": \"string\", \"format\": \"uuid\"}",
        "{\"type\": \"string\", \"format\": \"ipv4\"}",
        "{\"type\": \"number\", \"exclusiveMinimum\": 0, \"maximum\": 1}",
        "{\"$ref\": \"#/$defs/n\", \"$defs\": {\"n\": {\"type\": \"object\", \"properties\": {\"v\": {\"type\": \"boolean\"},"
                + " \"next\": {\"$ref\": \"#/$defs/n\"}}, \"required\": [\"v\"]}}}",
        "{\"type\": \"object\", \"additionalProperties\": {\"type\": \"integer\"}, \"maxProperties\": 2}",
        "{\"allOf\": [{\"type\": \"object\", \"properties\": {\"x\": {\"type\": \"number\"}}, \"required\": [\"x\"]},"
                + " {\"properties\": {\"x\": {\"minimum\": 5}}}]}"
    };

    private static Constraint constraint(Kind kind, String text) {
        return CONSTRAINTS.of(new StructuredOutput(kind, text));
    }

    private static Request request(String id, Constraint constraint, String begun, Consumer<Parameters> parameters) {
        LeadingSpace space = begun.isEmpty() ? LeadingSpace.STRIP : LeadingSpace.KEEP;
        int[] prompt = Engines.prompt(id.hashCode(), 5);
        return new Request(id, id, prompt, Parameters.of(parameters), space, constraint, begun);
    }

    private static Engine engine() {
        return Engines.of(new FakeBackend(FakeBackend.Size.AMPLE));
    }

    private static Output only(Request request) {
        Completion completion = Engines.run(engine(), List.of(request)).get(request.id());
        assertThat(completion.error()).isNull();
        return completion.outputs().getFirst();
    }

    @Test
    void whateverTheModelSaysTheDocumentIsValid() {
        SchemaRegistry registry = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12);
        List<Request> requests = new ArrayList<>();
        for (int i = 0; i < 1000; i++) {
            boolean greedy = i % 3 == 0;
            requests.add(request("row " + i, constraint(Kind.JSON, SCHEMAS[i % SCHEMAS.length]), "", p -> {
                p.temperature = greedy ? 0 : 1;
                p.maxTokens = 150;
            }));
        }
        Map<String, Completion> completions = Engines.run(engine(), requests);
        int whole = 0;
        for (int i = 0; i < 1000; i++) {
            Output output = completions.get("row " + i).outputs().getFirst();
            String schema = SCHEMAS[i % SCHEMAS.length];
            if (output.finishReason() == FinishReason.STOP) {
                whole++;
                assertThat(registry.getSchema(schema, InputFormat.JSON).validate(output.text(), InputFormat.JSON))
                        .as(output.text() + " of " + schema)
                        .isEmpty();
            }
        }
        assertThat(whole).isGreaterThan(600);
    }

    @Test
    void rowsWithAConstraintChangeNoOthers() {
        List<Request> free = new ArrayList<>();
        List<Request> mixed = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            Request row = request("free " + i, null, "", p -> p.maxTokens = 20);
            free.add(row);
            mixed.add(row);
            mixed.add(request("held " + i, constraint(Kind.JSON, SCHEMAS[i]), "", p -> p.maxTokens = 30));
        }
        Map<String, Completion> alone = Engines.runAlone(mixed);
        Map<String, Completion> together = Engines.run(engine(), mixed);
        alone.forEach((id, completion) ->
                assertThat(Engines.essence(together.get(id))).isEqualTo(Engines.essence(completion)));
    }

    @Test
    void onlyRowsThatNeedAllLogitsAskForThem() {
        List<Request> mixed = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            boolean held = i % 3 == 0;
            int row = i;
            mixed.add(request("row " + i, held ? constraint(Kind.JSON, SCHEMAS[i % SCHEMAS.length]) : null, "", p -> {
                p.maxTokens = 10 + row % 7;
                p.temperature = row % 2;
                p.topK = row % 5 == 1 ? 0 : 20;
                p.presencePenalty = row % 7 == 1 ? 0.5 : 0;
                p.seed = 5L + row;
            }));
        }
        TopBackend backend = new TopBackend(new FakeBackend(FakeBackend.Size.AMPLE));
        Map<String, Completion> best = Engines.run(Engines.of(backend), mixed);
        Map<String, Completion> all = Engines.run(engine(), mixed);
        all.forEach(
                (id, completion) -> assertThat(Engines.essence(best.get(id))).isEqualTo(Engines.essence(completion)));
        // 14 with a constraint, 4 that are penalized, and are not among them; some that draw from all may need them,
        // too.
        long whole = mixed.stream()
                .filter(request ->
                        request.constraint() != null || request.parameters().presencePenalty() != 0)
                .count();
        long drawn = mixed.stream()
                .filter(request -> request.parameters().temperature() > 0
                        && request.parameters().topK() == 0)
                .count();
        assertThat(backend.counts().getFirst()).isEqualTo(TopLogits.MAX);
        assertThat(backend.wholeRows().getFirst())
                .isBetween((int) whole, (int) (whole + drawn))
                .isBetween(15, 30);
    }

    /** Log-probabilities want every token computed by itself. */
    @Test
    void tokensThatMustComeAreTakenTogetherWithTheSameResult() {
        Constraint constraint = constraint(Kind.REGEX, "(\u00e9\u20ac|\u4e2d\u6587\u5b57){3}");
        int[] steps = new int[2];
        int[][] tokens = new int[2][];
        for (int run = 0; run < 2; run++) {
            int logprobs = run - 1;
            Engine engine = engine();
            engine.add(request("a", constraint, "", p -> {
                p.maxTokens = 60;
                p.logprobs = logprobs;
            }));
            for (List<Completion> done = List.of(); done.isEmpty(); steps[run]++) {
                done = engine.step();
                if (!done.isEmpty()) {
                    tokens[run] = done.getFirst().outputs().getFirst().tokenIds();
                }
            }
            assertThat(engine.generatedTokens()).isEqualTo(tokens[run].length);
        }
        assertThat(tokens[0]).isEqualTo(tokens[1]);
        assertThat(steps[1]).isEqualTo(tokens[1].length);
        assertThat(steps[0]).isLessThan(steps[1]);
    }

    @Test
    void anAnswerEndsWhereNothingCanFollow() {
        Output output = only(request("a", constraint(Kind.CHOICE, "[\"the cat\", \"a\"]"), "", p -> {
            p.ignoreEos = true;
            p.minTokens = 50;
            p.maxTokens = 50;
        }));
        assertThat(output.text()).isIn("the cat", "a");
        assertThat(output.finishReason()).isEqualTo(FinishReason.STOP);
        Output cut = only(request("a", constraint(Kind.REGEX, "[ab]{90}"), "", p -> p.maxTokens = 7));
        assertThat(cut.text()).matches("[ab]+");
        assertThat(cut.finishReason()).isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void anAnswerMayEndWhereTheConstraintMay() {
        Output output = only(request("a", constraint(Kind.REGEX, "[ab]*"), "", p -> {
            p.maxTokens = 100;
            p.logitBias = Map.of(TinyTokenizer.EOS, 100.0);
            p.minTokens = 4;
        }));
        assertThat(output.finishReason()).isEqualTo(FinishReason.STOP);
        assertThat(output.tokenIds()).endsWith(TinyTokenizer.EOS);
        assertThat(output.tokenIds().length).isGreaterThanOrEqualTo(4);
        assertThat(output.text()).matches("[ab]*");
    }

    @Test
    void aPrimerIsTheBeginningOfTheText() {
        Constraint constraint = constraint(Kind.CHOICE, "[\"the cat\", \"a cab\"]");
        assertThat(only(request("a", constraint, "the c", p -> p.maxTokens = 9)).text())
                .isEqualTo("at");
        assertThat(only(request("a", constraint, "a c", p -> p.maxTokens = 9)).text())
                .isEqualTo("ab");
    }

    @Test
    void logprobsAreThoseOfTheModel() {
        Request free = request("a", null, "", p -> {
            p.maxTokens = 1;
            p.logprobs = 3;
        });
        Request held = request("a", constraint(Kind.CHOICE, "[\"b\"]"), "", p -> {
            p.maxTokens = 9;
            p.logprobs = 3;
        });
        Completion.TokenLogprobs all = only(free).logprobs().getFirst();
        Completion.TokenLogprobs few = only(held).logprobs().getFirst();
        assertThat(few.topTokenIds()).isEqualTo(all.topTokenIds());
        assertThat(few.topLogprobs()).isEqualTo(all.topLogprobs());
        assertThat(few.logprob()).isNegative();
    }

    @Test
    void aConstraintThatCannotBeHeldFailsItsRowAlone() {
        Constraint ambiguous = constraint(Kind.GRAMMAR, "root ::= b{1,9000}\nb ::= a{1,9000}\na ::= [ab]{1,9000}");
        Constraint wordless = new Constraints(
                        new TokenTrie(TinyTokenizer.SIZE, Arrays.copyOf(TinyTokenizer.INSTANCE.textBytes(), 3)))
                .of(new StructuredOutput(Kind.REGEX, "xyz"));
        Map<String, Completion> completions = Engines.run(
                engine(),
                List.of(
                        request("ambiguous", ambiguous, "", p -> {
                            p.maxTokens = 200;
                            p.ignoreEos = true;
                        }),
                        request("wordless", wordless, "", p -> p.maxTokens = 5),
                        request("free", null, "", p -> p.maxTokens = 5)));
        assertThat(completions.get("ambiguous").error().message())
                .isEqualTo(
                        "the constraint cannot be held: it can be read in too many ways at once; make it less ambiguous");
        assertThat(completions.get("wordless").error().code()).isEqualTo("constraint_unsatisfiable");
        assertThat(completions.get("free").error()).isNull();
    }
}
