package io.github.sparkmixtral.job.options;

/** How answers are written ({@code --output-format}). */
public enum OutputFormat {
    /** Parquet files with the columns of the input beside those of the answers. */
    PARQUET(".parquet"),
    /** OpenAI's batch output: a line for an answer, and files of their own for errors. */
    JSONL(".jsonl"),
    /** A table of the session's catalog ({@code --output-table}). */
    TABLE("");

    private final String extension;

    OutputFormat(String extension) {
        this.extension = extension;
    }

    /** What the names of its files end with. */
    public String extension() {
        return extension;
    }
}
