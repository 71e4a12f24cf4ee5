package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.cli.CommandLineOptions.GeneralOptions;
import io.github.sparkmixtral.job.cli.CommandLineOptions.InputOptions;
import io.github.sparkmixtral.job.options.IndexArguments;
import io.github.sparkmixtral.job.options.IndexOptions;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.job.options.OutputMode;
import io.github.sparkmixtral.job.options.Version;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code spark-mixtral index}: its options as they are written. */
@Command(name = "spark-mixtral index", sortOptions = false, sortSynopsis = false, versionProvider = Version.class)
final class IndexCommand implements WrittenOptions<IndexOptions> {
    @Mixin
    private IndexArguments index;

    @Mixin
    private InputOptions input;

    @Mixin
    private OutputOptions output;

    @Mixin
    private GeneralOptions general;

    static final class OutputOptions {
        @Option(
                names = "--output",
                paramLabel = "DIR",
                description = "Directory of the index: its parts and, last of all, _index.json. Required.")
        String output;

        @Option(
                names = "--output-mode",
                paramLabel = "resume|error|overwrite",
                defaultValue = "resume",
                description =
                        "What to do if the index exists: resume leaves it alone if it is the one that would be made, and refuses"
                                + " another one; overwrite replaces it, at once when the new one is whole.")
        OutputMode outputMode;

        @Option(
                names = "--partitions",
                paramLabel = "N|auto",
                defaultValue = "auto",
                converter = OptionValues.CountOrAuto.class,
                description =
                        "Files of the index, and tasks that make them; auto takes one for 64 MiB of documents, and for vectors one"
                                + " for each core.")
        int partitions;
    }

    @Override
    public Optional<Path> configFile() {
        return Optional.ofNullable(general.config);
    }

    @Override
    public IndexOptions resolve() {
        CommandLineOptions.require("--input", !input.input.isEmpty(), "files, globs or a table name");
        CommandLineOptions.require("--output", output.output != null && !output.output.isBlank(), "a directory");
        return index.resolve(
                input.input,
                Optional.ofNullable(input.inputFormat),
                output.output,
                output.outputMode,
                output.partitions,
                general.verbose);
    }

    @Override
    public Help help() {
        return Help.INDEX;
    }
}
