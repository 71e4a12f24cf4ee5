package io.github.sparkmixtral.job.cli;

import java.nio.file.Path;
import java.util.Optional;

/**
 * The options of a subcommand as they are written.
 *
 * @param <T> what they are when they are checked and resolved
 */
interface WrittenOptions<T> {

    Optional<Path> configFile();

    /**
     * Checks every setting.
     *
     * @throws io.github.sparkmixtral.job.fault.JobException with exit code 2 and one sentence for the first fault
     */
    T resolve();

    Help help();
}
