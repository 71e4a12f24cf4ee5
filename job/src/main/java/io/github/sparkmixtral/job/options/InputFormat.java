package io.github.sparkmixtral.job.options;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** How the input is stored ({@code --input-format}). */
public enum InputFormat {
    /** One JSON object per line: a row of columns, or a request of an OpenAI batch file. */
    JSONL("jsonl", "ndjson", "json"),
    PARQUET("parquet", "pq"),
    /** RFC 4180 with a header line, or the same with another separator; a quoted cell may hold line breaks. */
    CSV("csv", "tsv"),
    /** One prompt per line. */
    TEXT("txt", "text"),
    /** A table or view of the session's catalog. */
    TABLE;

    private static final List<String> COMPRESSIONS = List.of(".gz", ".bz2", ".zst", ".lz4", ".snappy", ".deflate");

    private final List<String> extensions;

    InputFormat(String... extensions) {
        this.extensions = List.of(extensions);
    }

    /** The format that a file's name tells, a compression's extension left aside. */
    public static Optional<InputFormat> ofFileName(String name) {
        String stripped = name.toLowerCase(Locale.ROOT);
        for (String compression : COMPRESSIONS) {
            if (stripped.endsWith(compression)) {
                stripped = stripped.substring(0, stripped.length() - compression.length());
                break;
            }
        }
        String extension = stripped.substring(stripped.lastIndexOf('.') + 1);
        return Arrays.stream(values())
                .filter(format -> format.extensions.contains(extension))
                .findFirst();
    }

    /** Whether a file's name tells of no compression. */
    public static boolean isUncompressed(String name) {
        return COMPRESSIONS.stream().noneMatch(name.toLowerCase(Locale.ROOT)::endsWith);
    }

    /** The name in options and messages. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }
}
