package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.engine.Pooling;
import io.github.sparkmixtral.job.fault.JobException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options that say how an index is made, as they are written. */
public final class IndexArguments {
    @Mixin
    private ModelOptions model;

    @Mixin
    private DocumentOptions documents;

    @Mixin
    private Ids ids;

    @Mixin
    private EngineOptions engine;

    /** What of a document is no text. */
    static final class Ids {
        @Option(
                names = "--id-column",
                paramLabel = "NAME|none",
                description =
                        "Column with a unique id. With none, ids are made of file and position. Default: custom_id, else id if its"
                                + " values are unique; else none")
        String idColumn;

        @Option(
                names = "--drop-columns",
                showDefaultValue = Visibility.NEVER,
                paramLabel = "NAME",
                split = ",",
                description = "Columns of the documents that the index does not get. Default: none")
        List<String> dropColumns = new ArrayList<>();

        @Option(
                names = "--bm25-only",
                defaultValue = "false",
                description = "Make no vectors, even if a model is given for --chunk-unit tokens alone.")
        boolean bm25Only;

        @Option(
                names = "--pooling",
                paramLabel = "mean|last",
                defaultValue = "mean",
                description =
                        "What the hidden states of a piece become its vector by: their mean over all tokens, BOS included, or the"
                                + " last one.")
        Pooling pooling;
    }

    /**
     * Checks and resolves.
     *
     * @param partitions files of the index; 0 for auto
     * @throws JobException with exit code 2 and one sentence for the first fault
     */
    public IndexOptions resolve(
            List<String> input,
            Optional<InputFormat> format,
            String location,
            OutputMode mode,
            int partitions,
            boolean verbose) {
        Chunking chunking = documents.chunking();
        if (model.model == null && chunking.unit() == ChunkUnit.TOKENS) {
            throw JobException.usage(
                    "--chunk-unit tokens needs --model, whose tokens are counted; with --bm25-only too");
        }
        if (model.model == null && ids.bm25Only) {
            throw JobException.usage("--bm25-only is of no use without --model: there are no vectors then anyway");
        }
        return new IndexOptions(
                IndexOptions.documents(input, format, documents.textColumn(), ids.idColumn, ids.dropColumns),
                location,
                mode,
                chunking,
                documents.language(),
                model.model == null ? Optional.empty() : Optional.of(EngineIdentity.of(model, engine)),
                model.model != null && !ids.bm25Only,
                ids.pooling,
                partitions,
                verbose);
    }
}
