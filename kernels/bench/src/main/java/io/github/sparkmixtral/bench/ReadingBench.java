package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.engine.Completion;
import io.github.sparkmixtral.engine.Engine;
import io.github.sparkmixtral.engine.Pooling;
import io.github.sparkmixtral.engine.PromptReading;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.model.Model;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures what is read of prompts themselves: embeddings, and how likely each of several answers is. */
@Command(
        name = "ReadingBench",
        mixinStandardHelpOptions = true,
        description = "Measures embeddings a second, and choosing among answers.",
        sortOptions = false)
public final class ReadingBench implements Callable<Integer> {

    @Option(
            names = "--backend",
            defaultValue = Backends.AUTO,
            description = "The backend to measure (default: ${DEFAULT-VALUE}).")
    private String backend;

    @Mixin
    private ModelOptions modelOptions;

    @Option(names = "--texts", defaultValue = "64", description = "Texts to embed (default: ${DEFAULT-VALUE}).")
    private int texts;

    @Option(names = "--tokens", defaultValue = "128", description = "Tokens of each text (default: ${DEFAULT-VALUE}).")
    private int tokens;

    @Option(
            names = "--prompts",
            defaultValue = "32",
            description = "Prompts with choices, each as long as a text (default: ${DEFAULT-VALUE}).")
    private int prompts;

    @Option(names = "--choices", defaultValue = "4", description = "Choices of each (default: ${DEFAULT-VALUE}).")
    private int choices;

    @Option(
            names = "--choice-tokens",
            defaultValue = "4",
            description = "Tokens of each choice, its end included (default: ${DEFAULT-VALUE}).")
    private int choiceTokens;

    @Option(
            names = "--rounds",
            defaultValue = "5",
            description =
                    "Measurements of each figure, in turns, of which the median is told (default: ${DEFAULT-VALUE}).")
    private int rounds;

    @Option(names = "--threads", defaultValue = "0", description = "Worker threads, 0 for all processors.")
    private int threads;

    /** Runs it; exits with 0, with 2 for wrong options and with 1 where it fails. */
    public static void main(String[] args) {
        System.exit(commandLine().execute(args));
    }

    static CommandLine commandLine() {
        return new CommandLine(new ReadingBench())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setExecutionExceptionHandler(new FailureLine());
    }

    @Override
    public Integer call() {
        if (Math.min(Math.min(texts, prompts), Math.min(choices, rounds)) < 1 || tokens < 2 || choiceTokens < 1) {
            throw new IllegalArgumentException("every number must be at least 1, and --tokens at least 2");
        }
        List<Double> embedding = new ArrayList<>();
        List<Double> together = new ArrayList<>();
        List<Double> apart = new ArrayList<>();
        try (Model model = modelOptions.load();
                Backend opened =
                        Backends.find(backend).open(model, new BackendOptions(64, 2048, 512L << 20, threads))) {
            for (int round = -1; round < rounds; round++) {
                double embedded = seconds(opened, model, List.of(embeddings(model)));
                double once = seconds(opened, model, List.of(scores(model, 0, choices)));
                List<List<Request>> each = new ArrayList<>();
                for (int choice = 0; choice < choices; choice++) {
                    each.add(scores(model, choice, choice + 1));
                }
                double separate = seconds(opened, model, each);
                // The first round only warms up.
                if (round >= 0) {
                    embedding.add(embedded);
                    together.add(once);
                    apart.add(separate);
                }
            }
        }
        Range rate = Range.of(prompts, together);
        Range separateRate = Range.of(prompts, apart);
        System.out.println("| what | a second, median (range) |\n|---|---:|");
        System.out.printf(
                "| embeddings of %d tokens | %s |%n",
                tokens, Range.of(texts, embedding).line(1));
        System.out.printf(
                "| prompts of %d tokens with %d choices of %d, together | %s |%n",
                tokens, choices, choiceTokens, rate.line(1));
        System.out.printf("| the same, each choice behind a prompt of its own | %s |%n", separateRate.line(1));
        System.out.printf("%nTogether: %.2f times as fast.%n", rate.median() / separateRate.median());
        return 0;
    }

    private List<Request> embeddings(Model model) {
        List<Request> requests = new ArrayList<>();
        for (int text = 0; text < texts; text++) {
            requests.add(request("text " + text, prompt(model, text), PromptReading.embedding(Pooling.MEAN)));
        }
        return requests;
    }

    /** For every prompt the choices {@code [from, to)}. */
    private List<Request> scores(Model model, int from, int to) {
        List<Request> requests = new ArrayList<>();
        for (int prompt = 0; prompt < prompts; prompt++) {
            for (int choice = from; choice < to; choice++) {
                int[] all = Arrays.copyOf(prompt(model, prompt), tokens + choiceTokens);
                int[] text = prompt(model, 1000 + choice);
                System.arraycopy(text, 1, all, tokens, Math.min(choiceTokens, text.length - 1));
                requests.add(request("prompt " + prompt + ", choice " + choice, all, PromptReading.scores(tokens, 0)));
            }
        }
        return requests;
    }

    private int[] prompt(Model model, int number) {
        return Prompts.tokens(
                number, tokens, model.config().bosTokenId(), model.config().vocabularySize());
    }

    private static Request request(String id, int[] prompt, PromptReading reading) {
        return Request.reading(id, id, prompt, SamplingParameters.DEFAULT, reading);
    }

    /** Runs lists of requests one after the other, each on a new engine whose cache knows no prefix. */
    private static double seconds(Backend backend, Model model, List<List<Request>> lists) {
        long start = System.nanoTime();
        for (List<Request> requests : lists) {
            Engine engine =
                    new Engine(backend, model.tokenizer(), model.config().eosTokenIds(), 0);
            requests.forEach(engine::add);
            int completed = 0;
            while (engine.hasWork()) {
                for (Completion completion : engine.step()) {
                    if (completion.error() != null) {
                        throw new IllegalArgumentException(
                                completion.id() + ": " + completion.error().message());
                    }
                    completed++;
                }
            }
            if (completed != requests.size()) {
                throw new IllegalStateException(completed + " of " + requests.size() + " requests were completed");
            }
        }
        return (System.nanoTime() - start) / 1e9;
    }
}
