package io.github.sparkmixtral.job.options;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The settings of one job, checked and resolved: the command line wins over the {@code --config} file, which wins over the
 * default. {@code --help} says what each one means.
 *
 * @param input paths, globs or one table name; at least one
 * @param inputFormat empty to guess it from the paths
 * @param documents of which the index is made that passages are taken from; empty where it is there
 * @param limits after which the run stops before its end
 * @param estimate what is told of time and cost, and whether nothing else is done
 * @param partitions tasks; 0 chooses by the input and the cluster
 * @param show answers printed at the end
 * @param evaluation how the answers are judged at the end
 * @param resolved every setting by its name, as it is written on the command line, secrets left out; for the manifest
 */
public record JobOptions(
        GenerationOptions generation,
        List<String> input,
        Optional<InputFormat> inputFormat,
        Optional<IndexOptions> documents,
        OutputTarget output,
        RowOrder order,
        Limits limits,
        Estimate estimate,
        int partitions,
        boolean failOnError,
        double maxErrorRatio,
        int show,
        Evaluation evaluation,
        boolean verbose,
        Map<String, List<String>> resolved) {

    public JobOptions {
        input = List.copyOf(input);
    }

    /** The same on another engine. */
    public JobOptions on(EngineIdentity engine) {
        return new JobOptions(
                generation.on(engine),
                input,
                inputFormat,
                documents.map(index -> index.on(engine)),
                output,
                order,
                limits,
                estimate,
                partitions,
                failOnError,
                maxErrorRatio,
                show,
                evaluation,
                verbose,
                resolved);
    }

    /** The table that is answered. */
    public InputSource source() {
        return new InputSource(
                input, inputFormat, generation.columns(), generation.defaults(), "--prompt-column", evaluation);
    }

    /** The share of rows that may be errors: none with {@code --fail-on-error}. */
    public double toleratedErrorRatio() {
        return failOnError ? 0 : maxErrorRatio;
    }
}
