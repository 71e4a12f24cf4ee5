package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.service.RequestDefaults;
import java.util.List;
import java.util.Optional;

/**
 * A table that is read, and what of it counts.
 *
 * @param paths paths, globs or one table name; at least one
 * @param format empty to guess it from the paths
 * @param defaults under what its rows ask for
 * @param promptOption the option that names the column of prompts, for messages
 * @param evaluation whose columns answers are compared with
 */
public record InputSource(
        List<String> paths,
        Optional<InputFormat> format,
        Columns columns,
        RequestDefaults defaults,
        String promptOption,
        Evaluation evaluation) {

    public InputSource {
        paths = List.copyOf(paths);
    }
}
