package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.engine.Pooling;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.service.RequestDefaults;
import io.github.sparkmixtral.service.Task;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * How an index is made of documents, checked and resolved.
 *
 * @param source the documents
 * @param location path or URI of the index
 * @param engine of the model whose tokens are counted, or whose embeddings are taken
 * @param vectors whether chunks get embeddings, which needs an engine
 * @param pooling how a chunk's tokens become one vector
 * @param partitions files of the index; 0 chooses by the documents and the cluster
 */
public record IndexOptions(
        InputSource source,
        String location,
        OutputMode mode,
        Chunking chunking,
        TextLanguage language,
        Optional<EngineIdentity> engine,
        boolean vectors,
        Pooling pooling,
        int partitions,
        boolean verbose) {

    /**
     * Documents as a source.
     *
     * @param idColumn as for prompts: null for the usual ones
     */
    static InputSource documents(
            List<String> paths,
            Optional<InputFormat> format,
            String textColumn,
            String idColumn,
            List<String> dropped) {
        return new InputSource(
                paths,
                format,
                new Columns(idColumn, textColumn, null, null, List.of(), dropped, Map.of(), null, null, null, null),
                new RequestDefaults(Task.COMPLETE, null, SamplingParameters.DEFAULT),
                "--text-column",
                Evaluation.NONE);
    }

    /** The same with another engine. */
    public IndexOptions on(EngineIdentity other) {
        return new IndexOptions(
                source, location, mode, chunking, language, Optional.of(other), vectors, pooling, partitions, verbose);
    }
}
