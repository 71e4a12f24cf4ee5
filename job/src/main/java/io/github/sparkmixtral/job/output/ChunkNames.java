package io.github.sparkmixtral.job.output;

import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How a chunk's files are called. {@code part-00007-3f2a9c1d.parquet} holds the whole chunk, {@code
 * part-00007-3f2a9c1d-first300.parquet} its first 300 rows, where the job was stopped by its deadline or budget. Errors of OpenAI's
 * batch output lie in {@code errors-00007-3f2a9c1d.jsonl}. Where columns become directories, a chunk has files in many of them, and
 * {@code _chunks/part-00007-3f2a9c1d} says that all are there.
 */
final class ChunkNames {
    static final String MARKERS = "_chunks";

    /** The column that tells errors from answers in OpenAI's batch output; it becomes another name instead of a directory. */
    static final String ERRORS = "__mixtral_errors";

    private static final Pattern NAME = Pattern.compile("(part-\\d{5,}-[0-9a-z]+)(?:-first(\\d+))?(?:\\.\\w+)?");

    private ChunkNames() {}

    static String target(String folder, String name, String extension) {
        if (folder.equals(ERRORS + "=true")) {
            return name.replaceFirst("^part-", "errors-") + extension;
        }
        return folder.isEmpty() || folder.equals(ERRORS + "=false")
                ? name + extension
                : folder + "/" + name + extension;
    }

    /** The same where it holds the first rows only. */
    static String firstRows(String target, String name, Long rows) {
        String plain = name.replaceFirst("^part-", "");
        return rows == null ? target : target.replace(plain, plain + "-first" + rows);
    }

    static String marker(String name) {
        return MARKERS + "/" + name;
    }

    /** The name of the chunk that a file is of; empty for another file. */
    static String chunk(String file) {
        Matcher name = NAME.matcher(file.replaceFirst("^errors-", "part-"));
        return name.matches() ? name.group(1) : "";
    }

    /** By chunk, how many of its rows are published: {@link Long#MAX_VALUE} for all. */
    static Map<String, Long> published(Iterable<String> files) {
        Map<String, Long> published = new HashMap<>();
        for (String file : files) {
            Matcher name = NAME.matcher(file);
            if (name.matches()) {
                long rows = name.group(2) == null ? Long.MAX_VALUE : Long.parseLong(name.group(2));
                published.merge(name.group(1), rows, Math::max);
            }
        }
        return published;
    }
}
