package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.Completion;
import io.github.sparkmixtral.engine.Engine;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Prompts that an engine takes through to their last token as a job's executor does: continuous batching, prefixes that prompts
 * share computed once, no end before the last token.
 *
 * @param prompts how many, all there from the beginning
 * @param promptTokens of each
 * @param newTokens generated for each
 * @param sharedPrefix leading tokens that are the same in all prompts
 * @param temperature 0 takes the likeliest token at each position
 * @param topP 1 draws from all tokens
 */
record Job(int prompts, int promptTokens, int newTokens, int sharedPrefix, double temperature, double topP) {

    private static final Pattern SIZE = Pattern.compile("([1-9]\\d{0,5})x([1-9]\\d{0,5})x([1-9]\\d{0,5})");

    Job {
        if (sharedPrefix < 0 || sharedPrefix > promptTokens) {
            throw new IllegalArgumentException(
                    "--shared-prefix must be in [0, " + promptTokens + "], the prompts' length, not " + sharedPrefix);
        }
        parameters(newTokens, temperature, topP); // says what is wrong with them
    }

    /** Of a size such as {@code 32x128x64}: prompts, tokens of each and new tokens for each. */
    static Job parse(String size, int sharedPrefix) {
        Matcher matcher = SIZE.matcher(size);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("--job must be PROMPTSxINxOUT, such as 32x128x64, not '" + size + "'");
        }
        return new Job(
                Integer.parseInt(matcher.group(1)),
                Integer.parseInt(matcher.group(2)),
                Integer.parseInt(matcher.group(3)),
                sharedPrefix,
                0,
                1);
    }

    /** The same with tokens drawn. */
    Job drawn(double atTemperature, double fromTopP) {
        return new Job(prompts, promptTokens, newTokens, sharedPrefix, atTemperature, fromTopP);
    }

    /** Longest sequence, in tokens. */
    int length() {
        return promptTokens + newTokens;
    }

    /**
     * Runs it once, on a new engine whose cache knows no prefix.
     *
     * @return seconds from the first request to the last completion
     */
    double run(Backend backend, Model model) {
        SamplingParameters parameters = parameters(newTokens, temperature, topP);
        Engine engine = new Engine(backend, model.tokenizer(), model.config().eosTokenIds(), 0);
        long start = System.nanoTime();
        for (int prompt = 0; prompt < prompts; prompt++) {
            int[] tokens = Prompts.withPrefix(
                    prompt,
                    promptTokens,
                    sharedPrefix,
                    model.config().bosTokenId(),
                    model.config().vocabularySize());
            engine.add(new Request("prompt " + prompt, tokens, parameters, LeadingSpace.STRIP));
        }
        int completed = 0;
        while (engine.hasWork()) {
            List<Completion> completions = engine.step();
            completions.forEach(this::check);
            completed += completions.size();
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        if (completed != prompts) {
            throw new IllegalStateException(completed + " of " + prompts + " prompts were completed");
        }
        return seconds;
    }

    private String drawing() {
        return temperature == 0 ? "" : ", temperature " + temperature + (topP == 1 ? "" : ", top_p " + topP);
    }

    private void check(Completion completion) {
        if (completion.error() != null || completion.usage().completionTokens() != newTokens) {
            throw new IllegalStateException(completion.id() + " did not get " + newTokens + " tokens: " + completion);
        }
    }

    private static SamplingParameters parameters(int tokens, double temperature, double topP) {
        return new SamplingParameters(
                tokens, 0, temperature, topP, 0, 0.0, 1.0, 0.0, 0.0, 0L, List.of(), List.of(), 1, -1, true, Map.of());
    }

    /** What the rounds of a job came to. */
    record Result(Job job, int threads, Range newTokensPerSecond, Range allTokensPerSecond) implements Figure {

        static final String HEADER = """
                | job | new tokens/s (range) | prompt and new tokens/s (range) |
                |---|---:|---:|""";

        static Result of(Job job, int threads, List<Double> seconds) {
            return new Result(
                    job,
                    threads,
                    Range.of((double) job.prompts * job.newTokens, seconds),
                    Range.of((double) job.prompts * job.length(), seconds));
        }

        @Override
        public String kind() {
            return "job";
        }

        @Override
        public String line() {
            return String.format(
                    Locale.ROOT,
                    "| %d x (%d in + %d out)%s%s%s | %s | %s |",
                    job.prompts,
                    job.promptTokens,
                    job.newTokens,
                    job.sharedPrefix == 0 ? "" : ", first " + job.sharedPrefix + " shared",
                    job.drawing(),
                    threads == 0 ? "" : ", threads " + threads,
                    newTokensPerSecond.line(1),
                    allTokensPerSecond.line(1));
        }
    }
}
