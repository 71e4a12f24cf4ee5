package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.job.fault.JobException;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** A model that may be named without an option, as the one thing that a subcommand is about. */
final class NamedModel {
    @Mixin
    private ModelOptions options;

    @Parameters(arity = "0..1", paramLabel = "MODEL", hidden = true)
    private String named;

    /**
     * The model's options.
     *
     * @throws JobException with exit code 2 if none is named, or two are
     */
    ModelOptions options() {
        if (named != null && options.model != null) {
            throw JobException.usage("MODEL and --model exclude each other: both name the model");
        }
        if (named != null) {
            options.model = named;
        }
        options.requireModel();
        return options;
    }
}
