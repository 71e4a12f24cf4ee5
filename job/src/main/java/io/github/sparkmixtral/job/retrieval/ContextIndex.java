package io.github.sparkmixtral.job.retrieval;

import io.github.sparkmixtral.job.input.Passage;
import io.github.sparkmixtral.job.options.ContextMode;
import io.github.sparkmixtral.job.options.TextLanguage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.tokenattributes.CharTermAttribute;
import org.apache.lucene.document.Document;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexReader;
import org.apache.lucene.index.MultiReader;
import org.apache.lucene.index.StoredFields;
import org.apache.lucene.index.Term;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.FieldDoc;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.KnnFloatVectorQuery;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.search.Sort;
import org.apache.lucene.search.SortField;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.search.TopFieldCollectorManager;
import org.apache.lucene.util.BytesRef;

/**
 * All parts of an index, searched as one: words are weighed over all of them, and equal scores stand in the order of the chunks' ids,
 * however the chunks are spread. Threads may share it.
 */
public final class ContextIndex implements AutoCloseable {
    /** Of a question longer than that, the first distinct words count. */
    private static final int MOST_WORDS = IndexSearcher.getMaxClauseCount();

    /**
     * Chunks that a search for vectors finds at least, because it does not look at all and the more it is to find the less it
     * overlooks; and that ranks are fused of.
     */
    private static final int CANDIDATES = 100;

    /** What reciprocal rank fusion adds to ranks (Cormack, Clarke, Büttcher 2009). */
    private static final int FUSION = 60;

    private static final Sort BY_SCORE =
            new Sort(SortField.FIELD_SCORE, new SortField(IndexFields.ID, SortField.Type.STRING));

    private final Deque<AutoCloseable> open = new ArrayDeque<>();
    private final Analyzer analyzer;
    private final IndexSearcher searcher;

    private record Hit(int doc, String id, double score) {
        private static final Comparator<Hit> ORDER =
                Comparator.comparingDouble(Hit::score).reversed().thenComparing(Hit::id);
    }

    /** @param parts files of an index, on this host */
    ContextIndex(List<Path> parts, TextLanguage language) throws IOException {
        try {
            List<IndexReader> readers = new ArrayList<>();
            for (Path part : parts) {
                TarDirectory directory = new TarDirectory(part);
                open.push(directory);
                IndexReader reader = DirectoryReader.open(directory);
                open.push(reader);
                readers.add(reader);
            }
            analyzer = IndexFields.analyzer(language);
            open.push(analyzer);
            searcher = new IndexSearcher(new MultiReader(readers.toArray(IndexReader[]::new), false));
            // Questions differ from each other: what one has found helps no other.
            searcher.setQueryCache(null);
        } catch (IOException | RuntimeException e) {
            close();
            throw e;
        }
    }

    /**
     * The passages that fit a question best, best first.
     *
     * @param vector the question's embedding; null for {@link ContextMode#BM25}
     * @return scores are BM25's, the cosine, or the sum of 1 / (60 + rank) over both lists
     */
    public List<Passage> search(String question, float[] vector, int k, ContextMode mode) {
        try {
            List<Hit> hits = switch (mode) {
                case BM25 -> byWords(question, k);
                case VECTOR -> byVector(vector, k);
                case HYBRID -> {
                    int depth = Math.max(k, CANDIDATES);
                    yield fused(byWords(question, depth), byVector(vector, depth));
                }
            };
            List<Passage> passages = new ArrayList<>();
            StoredFields fields = searcher.storedFields();
            for (Hit hit : hits.subList(0, Math.min(k, hits.size()))) {
                Document document = fields.document(hit.doc());
                passages.add(new Passage(
                        hit.id(),
                        hit.score(),
                        document.get(IndexFields.TEXT),
                        document.get(IndexFields.DOCUMENT),
                        document.get(IndexFields.METADATA)));
            }
            return passages;
        } catch (IOException e) {
            throw new UncheckedIOException("the index cannot be searched: " + e.getMessage(), e);
        }
    }

    private List<Hit> byWords(String question, int k) throws IOException {
        BooleanQuery.Builder query = new BooleanQuery.Builder();
        for (String word : words(question)) {
            query.add(new TermQuery(new Term(IndexFields.TEXT, word)), BooleanClause.Occur.SHOULD);
        }
        return hits(query.build(), k);
    }

    private Set<String> words(String question) throws IOException {
        Set<String> words = new LinkedHashSet<>();
        try (TokenStream tokens = analyzer.tokenStream(IndexFields.TEXT, question)) {
            CharTermAttribute word = tokens.addAttribute(CharTermAttribute.class);
            tokens.reset();
            while (words.size() < MOST_WORDS && tokens.incrementToken()) {
                words.add(word.toString());
            }
        }
        return words;
    }

    private List<Hit> byVector(float[] vector, int k) throws IOException {
        float[] unit = IndexFields.normalized(vector);
        if (unit == null) {
            return List.of();
        }
        Query nearest = new KnnFloatVectorQuery(IndexFields.VECTOR, unit, Math.max(k, CANDIDATES));
        // Lucene's score is (1 + cosine) / 2.
        return hits(nearest, k).stream()
                .map(hit -> new Hit(hit.doc(), hit.id(), 2 * hit.score() - 1))
                .toList();
    }

    private List<Hit> hits(Query query, int k) throws IOException {
        List<Hit> hits = new ArrayList<>();
        for (ScoreDoc found : searcher.search(query, new TopFieldCollectorManager(BY_SCORE, k, k)).scoreDocs) {
            Object[] keys = ((FieldDoc) found).fields;
            hits.add(new Hit(found.doc, ((BytesRef) keys[1]).utf8ToString(), (Float) keys[0]));
        }
        return hits;
    }

    private static List<Hit> fused(List<Hit> words, List<Hit> vectors) {
        Map<String, Hit> sums = new HashMap<>();
        for (List<Hit> list : List.of(words, vectors)) {
            for (int rank = 1; rank <= list.size(); rank++) {
                Hit hit = list.get(rank - 1);
                double share = 1.0 / (FUSION + rank);
                sums.merge(
                        hit.id(),
                        new Hit(hit.doc(), hit.id(), share),
                        (sum, _) -> new Hit(sum.doc(), sum.id(), sum.score() + share));
            }
        }
        return sums.values().stream().sorted(Hit.ORDER).toList();
    }

    @Override
    public void close() throws IOException {
        while (!open.isEmpty()) {
            try {
                open.pop().close();
            } catch (Exception e) {
                throw new IOException("the index cannot be closed", e);
            }
        }
    }
}
