package io.github.sparkmixtral.job.retrieval;

import io.github.sparkmixtral.job.options.TextLanguage;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;
import org.apache.lucene.codecs.KnnVectorsFormat;
import org.apache.lucene.codecs.KnnVectorsReader;
import org.apache.lucene.codecs.KnnVectorsWriter;
import org.apache.lucene.codecs.lucene104.Lucene104Codec;
import org.apache.lucene.codecs.lucene99.Lucene99HnswVectorsFormat;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.KnnFloatVectorField;
import org.apache.lucene.document.SortedDocValuesField;
import org.apache.lucene.document.StoredField;
import org.apache.lucene.document.TextField;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.SegmentReadState;
import org.apache.lucene.index.SegmentWriteState;
import org.apache.lucene.index.SerialMergeScheduler;
import org.apache.lucene.index.VectorSimilarityFunction;
import org.apache.lucene.store.FSDirectory;
import org.apache.lucene.store.NIOFSDirectory;
import org.apache.lucene.util.BytesRef;

/**
 * Writes one part of an index: a Lucene index of one segment on the local disk, which becomes one file. The same chunks in the same
 * order give the same graph of vectors: one thread writes and merges.
 */
final class PartWriter implements AutoCloseable {
    private static final int MOST_DIMENSIONS = 1 << 15;
    private static final double BUFFER_MEGABYTES = 64;

    private final Path folder;
    private final FSDirectory directory;
    private final IndexWriter writer;
    private long chunks;

    /** @param folder that is made, and removed when the writer is closed */
    PartWriter(Path folder, TextLanguage language) throws IOException {
        this.folder = Files.createDirectories(folder);
        this.directory = new NIOFSDirectory(folder.resolve("index"));
        IndexWriterConfig config = new IndexWriterConfig(IndexFields.analyzer(language))
                .setCodec(new VectorsOfAnyLength())
                .setMergeScheduler(new SerialMergeScheduler())
                .setUseCompoundFile(false)
                .setRAMBufferSizeMB(BUFFER_MEGABYTES);
        this.writer = new IndexWriter(directory, config);
    }

    /** Lucene's own format, which takes 1,024 dimensions unless it is asked for more; it is read by its own name. */
    private static final class VectorsOfAnyLength extends Lucene104Codec {
        @Override
        public KnnVectorsFormat getKnnVectorsFormatForField(String field) {
            KnnVectorsFormat format = new Lucene99HnswVectorsFormat();
            return new KnnVectorsFormat(format.getName()) {
                @Override
                public KnnVectorsWriter fieldsWriter(SegmentWriteState state) throws IOException {
                    return format.fieldsWriter(state);
                }

                @Override
                public KnnVectorsReader fieldsReader(SegmentReadState state) throws IOException {
                    return format.fieldsReader(state);
                }

                @Override
                public int getMaxDimensions(String fieldName) {
                    return MOST_DIMENSIONS;
                }
            };
        }
    }

    /** @param vector of unit length; null for none */
    void add(Chunk chunk, float[] vector) throws IOException {
        Document document = new Document();
        document.add(new SortedDocValuesField(IndexFields.ID, new BytesRef(chunk.id())));
        document.add(new StoredField(IndexFields.ID, chunk.id()));
        document.add(new StoredField(IndexFields.DOCUMENT, chunk.document()));
        document.add(new TextField(IndexFields.TEXT, chunk.text(), Field.Store.YES));
        document.add(new StoredField(IndexFields.METADATA, chunk.metadata()));
        if (vector != null) {
            document.add(new KnnFloatVectorField(IndexFields.VECTOR, vector, VectorSimilarityFunction.DOT_PRODUCT));
        }
        writer.addDocument(document);
        chunks++;
    }

    long chunks() {
        return chunks;
    }

    /** Ends the index, and packs it into a file beside it. */
    Path pack() throws IOException {
        writer.forceMerge(1);
        writer.close();
        Path archive = folder.resolve("part.tar");
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(archive))) {
            TarDirectory.pack(directory, out);
        }
        return archive;
    }

    @Override
    public void close() throws IOException {
        if (writer.isOpen()) {
            writer.rollback();
        }
        directory.close();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
