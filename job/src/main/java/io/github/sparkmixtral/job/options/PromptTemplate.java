package io.github.sparkmixtral.job.options;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.SequencedSet;
import java.util.function.Function;

/**
 * A text with columns in braces, such as {@code Translate {text} into {language}.}; {@code {{} and {@code }}} stand for one
 * brace.
 *
 * @param source the text as it was given
 * @param parts literal text and columns, in order
 */
public record PromptTemplate(String source, List<Part> parts) implements Serializable {

    /** The name in braces that stands for passages of documents, if a job has some. */
    public static final String CONTEXT = "context";

    /** A stretch of literal text, or the name of a column. */
    public sealed interface Part extends Serializable {}

    public record Literal(String text) implements Part {}

    public record Column(String name) implements Part {}

    public PromptTemplate {
        // An ArrayList serializes without List.of's proxy, which Spark's task class loader cannot always see through.
        parts = new ArrayList<>(parts);
    }

    /**
     * Parses a template.
     *
     * @throws IllegalArgumentException saying what is wrong and where
     */
    public static PromptTemplate parse(String source) {
        List<Part> parts = new ArrayList<>();
        StringBuilder literal = new StringBuilder();
        for (int i = 0; i < source.length(); i++) {
            char c = source.charAt(i);
            boolean doubled = i + 1 < source.length() && source.charAt(i + 1) == c;
            if ((c == '{' || c == '}') && doubled) {
                literal.append(c);
                i++;
            } else if (c == '{') {
                int end = source.indexOf('}', i);
                String name = end < 0 ? "" : source.substring(i + 1, end).strip();
                if (name.isEmpty() || name.contains("{")) {
                    throw new IllegalArgumentException("has a { at character " + (i + 1)
                            + " that begins no column: write {column}, or {{ for a brace");
                }
                if (!literal.isEmpty()) {
                    parts.add(new Literal(literal.toString()));
                    literal.setLength(0);
                }
                parts.add(new Column(name));
                i = end;
            } else if (c == '}') {
                throw new IllegalArgumentException(
                        "has a } at character " + (i + 1) + " that ends no column: write }} for a brace");
            } else {
                literal.append(c);
            }
        }
        if (!literal.isEmpty()) {
            parts.add(new Literal(literal.toString()));
        }
        PromptTemplate template = new PromptTemplate(source, parts);
        if (template.columns().isEmpty()) {
            throw new IllegalArgumentException("names no column: write {column} where a row's value goes");
        }
        return template;
    }

    /** The template that is one column and nothing else. */
    static PromptTemplate ofColumn(String name) {
        return new PromptTemplate(name, List.of(new Column(name)));
    }

    /** The columns it names, in order of appearance. */
    public SequencedSet<String> columns() {
        SequencedSet<String> names = new LinkedHashSet<>();
        for (Part part : parts) {
            switch (part) {
                case Column column -> names.add(column.name());
                case Literal _ -> {}
            }
        }
        return names;
    }

    /** The same with all columns but one replaced by their values. */
    public PromptTemplate fillAllBut(String kept, Function<String, String> values) {
        List<Part> filled = new ArrayList<>();
        for (Part part : parts) {
            filled.add(
                    part instanceof Column column && !column.name().equals(kept)
                            ? new Literal(values.apply(column.name()))
                            : part);
        }
        return new PromptTemplate(source, filled);
    }

    /** The text with each column replaced by its value. A value is never parsed for braces again. */
    public String fill(Function<String, String> values) {
        StringBuilder text = new StringBuilder();
        for (Part part : parts) {
            text.append(
                    switch (part) {
                        case Literal literal -> literal.text();
                        case Column column -> values.apply(column.name());
                    });
        }
        return text.toString();
    }
}
