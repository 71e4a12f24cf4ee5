package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.cli.CommandLineOptions.GeneralOptions;
import io.github.sparkmixtral.job.options.InspectArguments;
import io.github.sparkmixtral.job.options.InspectOptions;
import io.github.sparkmixtral.job.options.Version;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code spark-mixtral inspect}: its options as they are written. */
@Command(name = "spark-mixtral inspect", sortOptions = false, sortSynopsis = false, versionProvider = Version.class)
final class InspectCommand implements WrittenOptions<InspectOptions> {
    @Mixin
    private InspectArguments inspect;

    @Mixin
    private GeneralOptions general;

    @Override
    public Optional<Path> configFile() {
        return Optional.ofNullable(general.config);
    }

    @Override
    public InspectOptions resolve() {
        return inspect.resolve(general.verbose);
    }

    @Override
    public Help help() {
        return Help.INSPECT;
    }
}
