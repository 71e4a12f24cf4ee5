package io.github.sparkmixtral.job.input;

/**
 * A piece of a document that was found.
 *
 * @param id the document's with the number of the piece, from 1: {@code manual#3}
 * @param score the higher the better; what it is depends on the search
 * @param document id of the document
 * @param metadata the document's other columns as a JSON object
 */
public record Passage(String id, double score, String text, String document, String metadata) {}
