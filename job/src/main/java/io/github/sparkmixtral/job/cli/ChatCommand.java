package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.cli.CommandLineOptions.GeneralOptions;
import io.github.sparkmixtral.job.options.ChatArguments;
import io.github.sparkmixtral.job.options.ChatOptions;
import io.github.sparkmixtral.job.options.Version;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code spark-mixtral chat}: its options as they are written. */
@Command(name = "spark-mixtral chat", sortOptions = false, sortSynopsis = false, versionProvider = Version.class)
final class ChatCommand implements WrittenOptions<ChatOptions> {
    @Mixin
    private ChatArguments chat;

    @Mixin
    private GeneralOptions general;

    @Override
    public Optional<Path> configFile() {
        return Optional.ofNullable(general.config);
    }

    @Override
    public ChatOptions resolve() {
        return chat.resolve(general.verbose);
    }

    @Override
    public Help help() {
        return Help.CHAT;
    }
}
