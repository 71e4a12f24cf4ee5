package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.job.options.ShowOptions;
import io.github.sparkmixtral.job.options.Version;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code spark-mixtral show}: its options as they are written. */
@Command(name = "spark-mixtral show", sortOptions = false, sortSynopsis = false, versionProvider = Version.class)
final class ShowCommand implements WrittenOptions<ShowOptions> {
    @Parameters(paramLabel = "OUT", arity = "0..*", hidden = true)
    private List<String> outputs = new ArrayList<>();

    @Mixin
    private RowsOptions shown;

    @Mixin
    private GeneralOptions general;

    static final class RowsOptions {
        @Option(
                names = {"-n", "--rows"},
                paramLabel = "N",
                defaultValue = "10",
                description = "Show that many rows, the first ones of the output.")
        int rows;

        @Option(names = "--errors", defaultValue = "false", description = "Show rows that have errors only.")
        boolean errors;

        @Option(
                names = "--id",
                showDefaultValue = Visibility.NEVER,
                paramLabel = "ID",
                description = "Show the row with that custom_id in full, as JSON, and nothing else.")
        String id;
    }

    static final class GeneralOptions {
        @Option(names = "--verbose", defaultValue = "false", description = "Show full stack traces.")
        boolean verbose;

        @Option(names = "--help", usageHelp = true, description = "Print this.")
        boolean help;

        @Option(names = "--version", versionHelp = true, description = "Print the versions.")
        boolean version;
    }

    @Override
    public Optional<Path> configFile() {
        return Optional.empty();
    }

    @Override
    public ShowOptions resolve() {
        CommandLineOptions.require(
                "the output", !outputs.isEmpty() && !outputs.getFirst().isBlank(), "the --output directory of a job");
        if (outputs.size() > 1) {
            throw JobException.usage("give one output to show, not " + String.join(", ", outputs));
        }
        OptionValues.requireAtLeast(0, "--rows", shown.rows);
        if (shown.id != null && shown.errors) {
            throw JobException.usage(
                    "--id and --errors exclude each other: one row is shown, or some of those with errors");
        }
        return new ShowOptions(
                outputs.getFirst(), shown.rows, shown.errors, Optional.ofNullable(shown.id), general.verbose);
    }

    @Override
    public Help help() {
        return Help.SHOW;
    }
}
