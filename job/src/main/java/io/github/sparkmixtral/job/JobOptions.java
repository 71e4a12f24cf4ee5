package io.github.sparkmixtral.job;

import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.service.Task;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The settings of one job, checked and resolved: the command line wins over the {@code --config} file, which wins over the
 * default. {@code --help} says what each one means.
 *
 * @param model directory, file or URI
 * @param input paths, globs or one table name; at least one
 * @param inputFormat empty to guess it from the paths
 * @param idColumn empty for {@code custom_id} or {@code id}, whichever the input has
 * @param promptColumn empty for {@code prompt}, or {@code text} where lines of text are read
 * @param sampling what a row uses where it does not say otherwise
 * @param kvCacheMemory bytes; 0 lets the backend choose
 * @param maxModelLen longest sequence in tokens; 0 for the model's own limit
 * @param numThreads threads of the CPU backend; 0 lets it choose
 * @param partitions tasks; 0 chooses by the input and the cluster
 * @param show answers printed at the end
 * @param resolved every setting by its name, as it is written on the command line, secrets left out; for the manifest
 */
record JobOptions(
        String model,
        List<String> input,
        Optional<InputFormat> inputFormat,
        Optional<String> idColumn,
        Optional<String> promptColumn,
        String messagesColumn,
        Optional<PromptTemplate> promptTemplate,
        Optional<String> systemPrompt,
        Task task,
        String output,
        OutputMode outputMode,
        SamplingParameters sampling,
        Quantization quantization,
        String backend,
        int maxNumSeqs,
        int maxNumBatchedTokens,
        long kvCacheMemory,
        int maxModelLen,
        int numThreads,
        Path modelCache,
        int partitions,
        boolean failOnError,
        double maxErrorRatio,
        int show,
        Optional<String> expectedColumn,
        Optional<String> scoreBy,
        boolean verbose,
        Map<String, List<String>> resolved) {

    JobOptions {
        input = List.copyOf(input);
    }

    /** The share of rows that may be errors: none with {@code --fail-on-error}. */
    double toleratedErrorRatio() {
        return failOnError ? 0 : maxErrorRatio;
    }
}
