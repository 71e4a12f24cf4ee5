package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.InspectOptions.Gpus;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** The options that say what of a model is told, as they are written. */
public final class InspectArguments {
    @Mixin
    private NamedModel model;

    @Mixin
    private Place place;

    @Mixin
    private EngineOptions engine;

    /** Where the model is to run, and how the answer looks. */
    static final class Place {
        @Option(
                names = "--memory",
                paramLabel = "SIZE",
                converter = OptionValues.Size.class,
                description = "Free memory of a machine on which the model is to run, beside the heap, such as 80g."
                        + " Default: what is free here")
        Long memory;

        @Option(
                names = "--gpus",
                paramLabel = "[N x]SIZE",
                converter = GpusOption.class,
                description = "GPUs on which the model is to run, such as 80g or 4x80g. Default: those that are here")
        Gpus gpus;

        @Option(names = "--json", defaultValue = "false", description = "Print JSON; sizes are in bytes then.")
        boolean json;
    }

    static final class GpusOption implements ITypeConverter<Gpus> {
        private static final Pattern GPUS = Pattern.compile("(?:(\\d{1,6})\\s*[x*]\\s*)?(\\S+)");

        @Override
        public Gpus convert(String value) {
            Matcher gpus = GPUS.matcher(value.strip());
            if (!gpus.matches() || "0".equals(gpus.group(1))) {
                throw new TypeConversionException("must be GPUs such as 80g or 4x80g, not " + value);
            }
            int count = gpus.group(1) == null ? 1 : Integer.parseInt(gpus.group(1));
            return new Gpus(count, OptionValues.bytes(gpus.group(2), " for each GPU"));
        }
    }

    /**
     * Checks and resolves.
     *
     * @throws JobException with exit code 2 and one sentence for the first fault
     */
    public InspectOptions resolve(boolean verbose) {
        return new InspectOptions(
                EngineIdentity.of(model.options(), engine),
                Optional.ofNullable(place.memory),
                Optional.ofNullable(place.gpus),
                place.json,
                verbose);
    }
}
