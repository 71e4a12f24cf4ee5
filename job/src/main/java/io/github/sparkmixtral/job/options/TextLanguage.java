package io.github.sparkmixtral.job.options;

/** The language whose word forms and stop words an index knows ({@code --language}). */
public enum TextLanguage {
    /** None: words in small letters, as they are. */
    ANY,
    ENGLISH,
    FRENCH,
    GERMAN,
    ITALIAN,
    SPANISH
}
