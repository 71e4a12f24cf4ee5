package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.engine.Pooling;
import io.github.sparkmixtral.job.fault.JobException;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import picocli.CommandLine.Option;

/** How documents are read and cut: options as they are written. They have no values unless they are given. */
public final class DocumentOptions {
    private static final int SIZE = 1000;
    private static final int OVERLAP_SHARE = 10;

    @Option(
            names = "--text-column",
            paramLabel = "NAME",
            description =
                    "Column with a document's text. Its other columns are kept as they are. Default: text; for text files, the"
                            + " line")
    String textColumn;

    @Option(
            names = "--chunk-size",
            paramLabel = "N",
            description =
                    "Longest piece that a document is cut into. A cut lies between paragraphs, sentences or words if it can."
                            + " Default: " + SIZE)
    Integer size;

    @Option(
            names = "--chunk-overlap",
            paramLabel = "N",
            description = "What a piece may repeat of the one before it. Default: a tenth of --chunk-size")
    Integer overlap;

    @Option(
            names = "--chunk-unit",
            paramLabel = "characters|tokens",
            description = "What the two are counted in; tokens are the model's. Default: characters")
    ChunkUnit unit;

    @Option(
            names = "--language",
            paramLabel = "any|english|french|german|italian|spanish",
            description =
                    "Language of the documents, whose word forms count as one word and whose commonest words do not count. Default:"
                            + " any, which takes words as they are written, in small letters")
    TextLanguage language;

    String textColumn() {
        return Objects.requireNonNullElse(textColumn, "text");
    }

    TextLanguage language() {
        return Objects.requireNonNullElse(language, TextLanguage.ANY);
    }

    /**
     * Checks and resolves.
     *
     * @throws JobException with exit code 2 and one sentence for the first fault
     */
    Chunking chunking() {
        int most = Objects.requireNonNullElse(size, SIZE);
        int repeated = Objects.requireNonNullElse(overlap, most / OVERLAP_SHARE);
        OptionValues.requireAtLeast(1, "--chunk-size", most);
        OptionValues.requireAtLeast(0, "--chunk-overlap", repeated);
        if (repeated >= most) {
            throw JobException.usage(
                    "--chunk-overlap must be less than --chunk-size, which is " + most + ", not " + repeated);
        }
        return new Chunking(Objects.requireNonNullElse(unit, ChunkUnit.CHARACTERS), most, repeated);
    }

    /**
     * Refuses options of documents that there are none of.
     *
     * @throws JobException with exit code 2
     */
    public void requireNone() {
        OptionValues.requireNone(
                "--documents: without them nothing is indexed",
                "--text-column",
                textColumn,
                "--chunk-size",
                size,
                "--chunk-overlap",
                overlap,
                "--chunk-unit",
                unit,
                "--language",
                language);
    }

    /**
     * Checks and resolves for the documents of a job whose rows are answered from them.
     *
     * @param job of whose model the tokens are counted and the embeddings are taken, if its rows are searched for by them
     * @throws JobException with exit code 2 and one sentence for the first fault
     */
    public IndexOptions resolve(
            List<String> paths, Optional<InputFormat> format, OutputMode mode, GenerationOptions job, boolean verbose) {
        ContextRetrieval context = job.columns().context();
        return new IndexOptions(
                IndexOptions.documents(paths, format, textColumn(), null, List.of()),
                context.index(),
                mode,
                chunking(),
                language(),
                Optional.of(job.engine()),
                context.mode().needsVectors(),
                Pooling.MEAN,
                0,
                verbose);
    }
}
