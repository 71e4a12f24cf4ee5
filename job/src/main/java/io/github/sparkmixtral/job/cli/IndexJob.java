package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.inference.ChunkEmbeddings;
import io.github.sparkmixtral.job.input.Input;
import io.github.sparkmixtral.job.model.ModelDigest;
import io.github.sparkmixtral.job.options.ChunkUnit;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.job.options.IndexOptions;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.job.retrieval.IndexBuild;
import io.github.sparkmixtral.job.retrieval.IndexDescriptor;
import io.github.sparkmixtral.job.retrieval.IndexDescriptor.Vectors;
import io.github.sparkmixtral.model.ModelDescription;
import java.io.IOException;
import java.util.Locale;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes one index: checks all that can be checked, cuts the documents, has their pieces embedded, writes the parts. */
final class IndexJob {
    private static final Logger LOG = LoggerFactory.getLogger(IndexJob.class);

    private final SparkSession spark;
    private final IndexOptions options;
    private final Configuration configuration;

    /** @param spark is left as it was: the job runs in a session of its own beside it */
    IndexJob(SparkSession spark, IndexOptions options) {
        this.spark = JobSession.of(spark);
        this.configuration = spark.sessionState().newHadoopConf();
        this.options = options.engine()
                .map(engine -> options.on(engine.pinned(configuration, LOG::info)))
                .orElse(options);
    }

    /**
     * Makes the index, unless it is there.
     *
     * @throws JobException with the exit code and the sentence for a fault of the user's
     */
    IndexDescriptor run() throws IOException {
        IndexBuild build = new IndexBuild(spark, options, vectors(), configuration);
        Optional<IndexDescriptor> done = build.done();
        if (done.isPresent()) {
            LOG.info("The index {} is complete already: {}", build.shown(), counts(done.get()));
            return done.get();
        }
        StatusLine.tell("reading the documents");
        Input documents = build.documents();
        documents.notes().forEach(LOG::info);
        StatusLine.tell("making the index");
        IndexDescriptor descriptor;
        try {
            descriptor = build.run(documents, embedding(), LOG::info);
        } catch (RuntimeException e) {
            throw StopSignals.reason(() -> "the index " + build.shown() + " is not made; the same command makes it")
                    .orElseThrow(() -> e);
        }
        LOG.info("The index {} is complete: {}", build.shown(), counts(descriptor));
        return descriptor;
    }

    private static String counts(IndexDescriptor index) {
        return String.format(
                Locale.ROOT,
                "%,d documents in %,d pieces, %s",
                index.documents(),
                index.chunks(),
                index.vectors() == null
                        ? "without vectors"
                        : "with vectors of " + index.vectors().dimension() + " dimensions");
    }

    private Vectors vectors() {
        EngineIdentity engine = options.engine().orElse(null);
        if (engine == null) {
            return null;
        }
        ModelDescription model =
                engine.models(configuration, LOG::info).describe(engine.model(), engine.quantization());
        if (!options.vectors()) {
            return null;
        }
        int longest =
                engine.maxModelLen() > 0 ? engine.maxModelLen() : model.config().maxPositions();
        if (options.chunking().unit() == ChunkUnit.TOKENS && options.chunking().size() >= longest) {
            throw JobException.usage(
                    "--chunk-size must be less than " + longest + ", the longest sequence, which has a token more, not "
                            + options.chunking().size());
        }
        return new Vectors(
                ModelDigest.of(engine.model(), configuration),
                engine.modelName(),
                OptionValues.text(engine.quantization()),
                OptionValues.text(options.pooling()),
                model.config().hiddenSize());
    }

    private UnaryOperator<Dataset<Row>> embedding() {
        return chunks -> ChunkEmbeddings.of(chunks, options.engine().orElseThrow(), options.pooling(), configuration);
    }
}
