package io.github.sparkmixtral.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.github.sparkmixtral.engine.Parameters;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.grammar.StructuredOutput;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ParametersReaderTest {
    private static final SamplingParameters JOB = Parameters.of(p -> {
        p.maxTokens = 77;
        p.temperature = 0.3;
        p.seed = 9;
        p.stop = List.of("job");
        p.logprobs = 2;
    });

    @Test
    void rowOverJob() {
        String everything = """
                {"max_tokens": 5, "min_tokens": 2, "temperature": 0, "top_p": 0.5, "top_k": 7, "min_p": 0.1,
                 "repetition_penalty": 1.1, "presence_penalty": 0.2, "frequency_penalty": -0.3, "seed": 123456789012345,
                 "stop": ["a", "b"], "stop_token_ids": [3, 4], "n": 2, "logprobs": 4, "ignore_eos": true,
                 "logit_bias": {"5": 1.5, "6": -2}}
                """;
        assertThat(read(everything, JOB)).isEqualTo(Parameters.of(p -> {
            p.maxTokens = 5;
            p.minTokens = 2;
            p.temperature = 0;
            p.topP = 0.5;
            p.topK = 7;
            p.minP = 0.1;
            p.repetitionPenalty = 1.1;
            p.presencePenalty = 0.2;
            p.frequencyPenalty = -0.3;
            p.seed = 123456789012345L;
            p.stop = List.of("a", "b");
            p.stopTokenIds = List.of(3, 4);
            p.n = 2;
            p.logprobs = 4;
            p.ignoreEos = true;
            p.logitBias = Map.of(5, 1.5, 6, -2.0);
        }));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{}",
                "{\"temperature\": null, \"stop\": null, \"seed\": null}",
                "{\"model\": \"x\", \"stream\": true, \"stream_options\": {}, \"user\": \"me\", \"metadata\": {}, \"store\": false,"
                        + " \"service_tier\": \"auto\", \"safety_identifier\": \"s\", \"prompt_cache_key\": \"k\"}",
                "{\"response_format\": {\"type\": \"text\"}}"
            })
    void whatSaysNothingLeavesTheJobs(String json) {
        assertThat(read(json, JOB)).isEqualTo(JOB);
    }

    @Test
    void noneLeavesTheJobs() {
        assertThat(ParametersReader.read(Map.of(), JOB)).isSameAs(JOB);
    }

    @Test
    void oneFieldLeavesTheOthers() {
        SamplingParameters read = read("{\"stop\": \"row\"}", JOB);
        assertThat(read.stop()).containsExactly("row");
        assertThat(read.maxTokens()).isEqualTo(77);
        assertThat(read.temperature()).isEqualTo(0.3);
    }

    @Test
    void openAiSpellings() {
        assertThat(read("{\"max_completion_tokens\": 6}", JOB).maxTokens()).isEqualTo(6);
        assertThat(read("{\"max_completion_tokens\": 6, \"max_tokens\": 6}", JOB)
                        .maxTokens())
                .isEqualTo(6);
        assertThat(read("{\"logprobs\": true, \"top_logprobs\": 3}", JOB).logprobs())
                .isEqualTo(3);
        assertThat(read("{\"logprobs\": true}", JOB).logprobs()).isZero();
        assertThat(read("{\"logprobs\": false}", JOB).logprobs()).isEqualTo(-1);
    }

    @Test
    void otherEnginesSpellings() {
        SamplingParameters read = read("""
                {"max_new_tokens": 6, "min_new_tokens": 1, "stop_sequences": ["x"], "num_return_sequences": 2,
                 "random_seed": 4, "do_sample": true, "temperature": 0.5}""", JOB);
        assertThat(read.maxTokens()).isEqualTo(6);
        assertThat(read.minTokens()).isEqualTo(1);
        assertThat(read.stop()).containsExactly("x");
        assertThat(read.n()).isEqualTo(2);
        assertThat(read.seed()).isEqualTo(4);
        assertThat(read.temperature()).isEqualTo(0.5);
    }

    @Test
    void withoutSamplingTheTemperatureIsNought() {
        assertThat(read("{\"do_sample\": false}", JOB).temperature()).isZero();
        assertThat(read("{\"do_sample\": false, \"temperature\": 0.7}", JOB).temperature())
                .isZero();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"echo\": false, \"suffix\": null, \"best_of\": 1, \"use_beam_search\": false, \"length_penalty\": 1.0}",
                "{\"skip_special_tokens\": true, \"spaces_between_special_tokens\": true, \"detokenize\": true}",
                "{\"parallel_tool_calls\": true, \"safe_prompt\": true, \"stream\": false, \"store\": false}",
                "{\"service_tier\": \"auto\", \"user\": \"u\", \"metadata\": {\"a\": \"b\"}, \"modalities\": [\"text\"]}",
                "{\"add_generation_prompt\": true, \"continue_final_message\": true, \"chat_template_kwargs\": {}}",
                "{\"guided_json\": null, \"whatever\": null, \"top_logprobs\": 0, \"response_format\": null}",
            })
    void whatIsDoneAnywayMayBeSaid(String json) {
        assertThat(read(json, JOB)).isEqualTo(JOB);
    }

    @Test
    void noLogprobsAndNoneOfTheTopIsNone() {
        assertThat(read("{\"logprobs\": false, \"top_logprobs\": 0}", JOB).logprobs())
                .isEqualTo(-1);
    }

    @Test
    void wholeNumbersMayHaveAPoint() {
        SamplingParameters read = read("{\"max_tokens\": 16.0, \"seed\": 4.0, \"top_k\": 1e1}", JOB);
        assertThat(read.maxTokens()).isEqualTo(16);
        assertThat(read.seed()).isEqualTo(4);
        assertThat(read.topK()).isEqualTo(10);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"top_p\": 3} | top_p must be in (0, 1], not 3.0",
                "{\"max_tokens\": \"ten\"} | max_tokens must be an integer, not \"ten\"",
                "{\"max_tokens\": 1.5} | max_tokens must be an integer, not 1.5",
                "{\"max_tokens\": 3000000000} | max_tokens must be an integer, not 3000000000",
                "{\"max_tokens\": 0} | max_tokens must be at least 1, not 0",
                "{\"temperature\": true} | temperature must be a number, not true",
                "{\"temperature\": 1e999} | temperature must be at least 0 and finite, not Infinity",
                "{\"ignore_eos\": 1} | ignore_eos must be true or false, not 1",
                "{\"safe_prompt\": \"yes\"} | safe_prompt must be true or false, not \"yes\"",
                "{\"stop\": 1} | stop must be a string or a list of strings, not 1",
                "{\"stop\": [1]} | stop must be a string or a list of strings, not [1]",
                "{\"stop\": [null]} | stop must be a string or a list of strings, not [null]",
                "{\"stop\": \"\"} | stop must not contain an empty string",
                "{\"stop_token_ids\": 2} | stop_token_ids must be a list of token ids, not 2",
                "{\"stop_token_ids\": [\"a\"]} | stop_token_ids must be an integer, not \"a\"",
                "{\"logit_bias\": [1]} | logit_bias must be an object from token id to bias, not [1]",
                "{\"logit_bias\": {\"the\": 1}} | logit_bias has the key 'the', which is no token id",
                "{\"logit_bias\": {\"1\": \"x\"}} | logit_bias must be a number, not \"x\"",
                "{\"seed\": 1e30} | seed must be an integer, not 1.0E30",
                "{\"seed\": \"a\"} | seed must be an integer, not \"a\"",
                "{\"top_logprobs\": 3} | top_logprobs needs logprobs to be true",
                "{\"logprobs\": true, \"top_logprobs\": -1} | top_logprobs must be in [0, 20], not -1",
                "{\"max_tokens\": 1, \"max_completion_tokens\": 2} | max_tokens is 1 but max_completion_tokens is 2: they mean the same,"
                        + " give one of them",
                "{\"stop\": \"a\", \"stop_sequences\": [\"b\"]} | stop is \"a\" but stop_sequences is [\"b\"]: they mean the same, give"
                        + " one of them",
                "{\"best_of\": 3} | best_of must be 1 or left out, not 3: no other value is supported",
                "{\"echo\": true} | echo must be false or left out, not true: no other value is supported",
                "{\"function_call\": {}} | function_call must be \"auto\" or \"none\" or left out, not {}: no other value is supported",
                "{\"do_sample\": 1} | do_sample must be true or false, not 1",
                "{\"maxTokens\": 1} | unknown parameter 'maxTokens': write max_tokens",
                "{\"guidedJson\": {}} | unknown parameter 'guidedJson': write guided_json",
                "{\"temprature\": 1} | unknown parameter 'temprature'",
                "{\"response_format\": {\"type\": \"xml\"}} | response_format must have the type text, json_object, json_schema,"
                        + " regex or grammar, not {\"type\":\"xml\"}",
                "{\"guided_regex\": \"a\", \"guided_choice\": [\"a\"]} | guided_regex and guided_choice all say what the answer"
                        + " has to be: give one of them",
                "{\"structured_outputs\": {\"regex\": \"a\", \"disable_any_whitespace\": true}} | structured_outputs.disable_any_whitespace must be false or left out, not true: no other value is supported",
                "{\"structured_outputs\": {\"regex\": \"a\", \"choice\": [\"a\"]}} | structured_outputs must have just one of json,"
                        + " regex, choice, grammar and json_object, not {\"regex\":\"a\",\"choice\":[\"a\"]}",
                "{\"structured_outputs\": {\"xml\": \"a\"}} | structured_outputs.xml is no constraint: take json, regex, choice,"
                        + " grammar or json_object",
                "{\"guided_regex\": 7} | guided_regex must be a string, not 7",
                "{\"response_format\": {\"type\": \"text\", \"json_schema\": {}}} | response_format has the unknown field 'json_schema': it"
                        + " may have type",
                "{\"response_format\": {\"type\": \"json_object\", \"schma\": {}}} | response_format has the unknown field 'schma': it"
                        + " may have type, schema, value",
                "{\"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"schema\": {}, \"strct\": true}}} |"
                        + " response_format.json_schema has the unknown field 'strct': it may have name, description, schema, strict",
                "{\"response_format\": {\"type\": \"regex\", \"value\": \"a\", \"grammar\": \"a\"}} | response_format has the unknown field"
                        + " 'grammar': it may have type, value, pattern, regex",
                "{\"response_format\": {\"type\": \"json_schema\"}} | response_format of the type json_schema needs a schema in"
                        + " json_schema.schema",
            })
    void namesWhatIsWrong(String json, String message) {
        assertThatIllegalArgumentException().isThrownBy(() -> read(json, JOB)).withMessage(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"top_p\": 3 | parameters is not valid JSON at line 1, column ",
                "{\"n\": 1, \"n\": 2} | parameters is not valid JSON at line 1, column ",
                "{} {} | parameters is not valid JSON at line 1, column ",
                "{\"top_p\": NaN} | parameters is not valid JSON at line 1, column ",
                "`` | parameters is empty where JSON is wanted",
            })
    void saysWhereJsonIsBroken(String json, String message) {
        assertThatIllegalArgumentException().isThrownBy(() -> read(json, JOB)).withMessageStartingWith(message);
    }

    @Test
    void deepNestingIsAnErrorAndNoStackOverflow() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> read("[".repeat(100_000), JOB))
                .withMessageStartingWith("parameters is not valid JSON");
    }

    @Test
    void longValuesAreShortenedInMessages() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> read("{\"n\": \"" + "x".repeat(5000) + "\"}", JOB))
                .withMessageMatching("n must be an integer, not \"x{79}\u2026");
    }

    private static SamplingParameters read(String json, SamplingParameters job) {
        return ParametersReader.read(Rows.parameters(json), job);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '~',
            quoteCharacter = '`',
            value = {
                "{\"response_format\": {\"type\": \"json_object\"}} ~ JSON_OBJECT ~ ``",
                "{\"response_format\": {\"type\": \"json_object\", \"schema\": {\"type\": \"null\"}}} ~ JSON ~ {\"type\":\"null\"}",
                "{\"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"n\", \"strict\": false, \"description\": \"d\", \"schema\": true}}}"
                        + " ~ JSON ~ true",
                "{\"response_format\": \"{\\\"type\\\": \\\"json_object\\\"}\"} ~ JSON_OBJECT ~ ``",
                "{\"response_format\": {\"type\": \"regex\", \"value\": \"a+\"}} ~ REGEX ~ a+",
                "{\"structured_outputs\": {\"json\": \"{}\", \"regex\": null}} ~ JSON ~ {}",
                "{\"structured_outputs\": {\"json_object\": true}} ~ JSON_OBJECT ~ ``",
                "{\"structured_outputs\": {\"choice\": [\"a\", \"b\"]}} ~ CHOICE ~ [\"a\",\"b\"]",
                "{\"guided_grammar\": \"root ::= [a]\"} ~ GRAMMAR ~ root ::= [a]",
                "{\"guided_json\": {\"type\": \"null\"}} ~ JSON ~ {\"type\":\"null\"}"
            })
    void readsWhatAnAnswerHasToBe(String json, StructuredOutput.Kind kind, String text) {
        SamplingParameters read = read(json, SamplingParameters.DEFAULT);
        assertThat(read.structuredOutput()).isEqualTo(new StructuredOutput(kind, text));
    }

    @Test
    void aRowsFormatReplacesTheJobs() {
        SamplingParameters job = SamplingParameters.DEFAULT.withStructuredOutput(
                new StructuredOutput(StructuredOutput.Kind.JSON_OBJECT, ""));
        assertThat(read("{\"seed\": 1}", job).structuredOutput()).isEqualTo(job.structuredOutput());
        assertThat(read("{\"response_format\": {\"type\": \"text\"}}", job).structuredOutput())
                .isNull();
    }
}
