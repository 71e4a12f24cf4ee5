package io.github.sparkmixtral.job.retrieval;

import io.github.sparkmixtral.job.options.TextLanguage;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.de.GermanAnalyzer;
import org.apache.lucene.analysis.en.EnglishAnalyzer;
import org.apache.lucene.analysis.es.SpanishAnalyzer;
import org.apache.lucene.analysis.fr.FrenchAnalyzer;
import org.apache.lucene.analysis.it.ItalianAnalyzer;
import org.apache.lucene.analysis.standard.StandardAnalyzer;

/** What the documents of a Lucene index of ours are made of: what writes them and what reads them agree on it here. */
final class IndexFields {
    static final String ID = "id";
    static final String DOCUMENT = "document";
    static final String TEXT = "text";
    static final String METADATA = "metadata";
    static final String VECTOR = "vector";

    private IndexFields() {}

    /** Makes the words of a text and of a question, which have to be made alike. */
    static Analyzer analyzer(TextLanguage language) {
        return switch (language) {
            case ANY -> new StandardAnalyzer();
            case ENGLISH -> new EnglishAnalyzer();
            case FRENCH -> new FrenchAnalyzer();
            case GERMAN -> new GermanAnalyzer();
            case ITALIAN -> new ItalianAnalyzer();
            case SPANISH -> new SpanishAnalyzer();
        };
    }

    /**
     * The vector divided by its length, so that a dot product is a cosine.
     *
     * @return null for a vector that has no direction: zero, or not finite
     */
    static float[] normalized(float[] vector) {
        double squares = 0;
        for (float value : vector) {
            squares += (double) value * value;
        }
        if (!(squares > 0) || Double.isInfinite(squares)) {
            return null;
        }
        float[] normalized = new float[vector.length];
        double length = Math.sqrt(squares);
        for (int i = 0; i < vector.length; i++) {
            normalized[i] = (float) (vector[i] / length);
        }
        return normalized;
    }
}
