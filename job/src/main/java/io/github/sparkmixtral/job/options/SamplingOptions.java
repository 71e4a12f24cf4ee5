package io.github.sparkmixtral.job.options;

import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.service.StructuredOutputReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Option;

/** How tokens are drawn: options as they are written. */
public final class SamplingOptions {
    @Option(
            names = "--max-tokens",
            paramLabel = "N",
            defaultValue = "512",
            description = "Most tokens to generate; answers cut there have finish_reason length.")
    int maxTokens;

    @Option(
            names = "--min-tokens",
            paramLabel = "N",
            defaultValue = "0",
            description = "No end of sequence or stop before that many.")
    int minTokens;

    @Option(names = "--temperature", paramLabel = "X", defaultValue = "1.0", description = "0 is greedy.")
    double temperature;

    @Option(
            names = "--top-p",
            paramLabel = "X",
            defaultValue = "1.0",
            description = "Keep the likeliest tokens that make up this probability, in (0, 1].")
    double topP;

    @Option(
            names = "--top-k",
            paramLabel = "N",
            defaultValue = "0",
            description = "Keep the N likeliest tokens; 0 keeps all.")
    int topK;

    @Option(
            names = "--min-p",
            paramLabel = "X",
            defaultValue = "0.0",
            description = "Drop tokens less likely than X times the likeliest, in [0, 1].")
    double minP;

    @Option(
            names = "--repetition-penalty",
            paramLabel = "X",
            defaultValue = "1.0",
            description = "Over prompt and answer, in (0, 2]; 1 is off.")
    double repetitionPenalty;

    @Option(
            names = "--presence-penalty",
            paramLabel = "X",
            defaultValue = "0.0",
            description = "Over the answer, in [-2, 2].")
    double presencePenalty;

    @Option(
            names = "--frequency-penalty",
            paramLabel = "X",
            defaultValue = "0.0",
            description = "Over the answer, in [-2, 2].")
    double frequencyPenalty;

    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "0",
            description = "With a row's id it decides every draw, however the rows are spread.")
    long seed;

    @Option(
            names = "--stop",
            showDefaultValue = Visibility.NEVER,
            paramLabel = "TEXT",
            description = "End the answer at this text and cut it off; may be given more than once. Default: none")
    List<String> stop = new ArrayList<>();

    @Option(
            names = "--stop-token-ids",
            showDefaultValue = Visibility.NEVER,
            paramLabel = "ID",
            split = ",",
            description = "End the answer at these tokens. Default: none")
    List<Integer> stopTokenIds = new ArrayList<>();

    @Option(
            names = "--n",
            paramLabel = "N",
            defaultValue = "1",
            description = "Answers per prompt; more than one come in the column outputs.")
    int n;

    @Option(
            names = "--logprobs",
            paramLabel = "N|none",
            defaultValue = "none",
            converter = OptionValues.CountOrNone.class,
            description =
                    "Log-probabilities: the chosen token's and those of the N likeliest, N in [0, 20]; and how likely each choice"
                            + " of --structured-outputs is, in the column choice_probabilities.")
    int logprobs;

    @Option(
            names = "--prompt-logprobs",
            paramLabel = "N|none",
            defaultValue = "none",
            converter = OptionValues.CountOrNone.class,
            description =
                    "Log-probabilities of the prompt's tokens but the first, and of the N likeliest beside each, N in [0, 20], in"
                            + " the column prompt_logprobs.")
    int promptLogprobs;

    @Option(
            names = "--ignore-eos",
            defaultValue = "false",
            description = "Keep generating past the end-of-sequence token.")
    boolean ignoreEos;

    @Option(
            names = "--logit-bias",
            showDefaultValue = Visibility.NEVER,
            paramLabel = "ID=X",
            split = ",",
            description = "Added to a token's logit, in [-100, 100]. Default: none")
    Map<Integer, Double> logitBias = new LinkedHashMap<>();

    @Option(
            names = "--response-format",
            paramLabel = "JSON|FILE",
            description =
                    "What answers have to be, as OpenAI writes it: {\"type\": \"json_object\"}, or {\"type\": \"json_schema\","
                            + " \"json_schema\": {\"schema\": …}}; a file may hold it. Default: text")
    String responseFormat;

    @Option(
            names = "--structured-outputs",
            paramLabel = "JSON|FILE",
            description =
                    "The same as vLLM writes it: an object with one of json (a schema), regex, choice (a list), grammar (GBNF)"
                            + " and json_object (true). Default: none")
    String structuredOutputs;

    @Option(
            names = "--require-complete",
            defaultValue = "false",
            description =
                    "Make an error (incomplete_json, or incomplete_output for what is no JSON) of an answer that has to be"
                            + " something and was cut at --max-tokens. Its text stays.")
    boolean requireComplete;

    /**
     * For a type that says by itself what answers have to be.
     *
     * @throws IllegalArgumentException where an option says that they are text
     */
    void requireNoFormat() {
        if (responseFormat != null) {
            throw new IllegalArgumentException(
                    "needs answers that are JSON, and --response-format says text: leave one of them out");
        }
    }

    SamplingParameters parameters() {
        try {
            SamplingParameters parameters = new SamplingParameters(
                    maxTokens,
                    minTokens,
                    temperature,
                    topP,
                    topK,
                    minP,
                    repetitionPenalty,
                    presencePenalty,
                    frequencyPenalty,
                    seed,
                    stop,
                    stopTokenIds,
                    n,
                    logprobs,
                    ignoreEos,
                    logitBias,
                    structuredOutput(),
                    promptLogprobs);
            StructuredOutputReader.checkChoices("structured_outputs", parameters);
            return parameters;
        } catch (IllegalArgumentException e) {
            throw JobException.usage(OptionValues.inOptionSpelling(e.getMessage()));
        }
    }

    /** The option that says what answers have to be. */
    String format() {
        return responseFormat != null ? "--response-format" : "--structured-outputs";
    }

    private StructuredOutput structuredOutput() {
        if (responseFormat != null && structuredOutputs != null) {
            throw JobException.usage(
                    "--response-format and --structured-outputs exclude each other: both say what answers have to be");
        }
        String name = responseFormat != null ? "response_format" : "structured_outputs";
        String given = responseFormat != null ? responseFormat : structuredOutputs;
        if (given == null) {
            return null;
        }
        StructuredOutput output = StructuredOutputReader.read(name, TextNode.valueOf(content(name, given)));
        StructuredOutputReader.check(name, output);
        return output;
    }

    /** What does not look like JSON is a file. */
    private static String content(String name, String given) {
        if (given.strip().startsWith("{")) {
            return given;
        }
        try {
            return Files.readString(Path.of(given));
        } catch (IOException | InvalidPathException e) {
            throw new IllegalArgumentException(
                    name + " must be a JSON object or a file with one, and " + given + " cannot be read: "
                            + e.getMessage(),
                    e);
        }
    }
}
