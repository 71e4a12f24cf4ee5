package io.github.sparkmixtral.job.model;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.fault.Redaction;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A model of the Hugging Face Hub. As text it is {@code hf://owner/name@revision/file}, which is also the path of its files.
 *
 * @param revision branch, tag or commit; empty for the main branch
 * @param file path of one GGUF file in the repository; empty for the model that the repository is
 */
public record HubModel(String owner, String name, Optional<String> revision, Optional<String> file) {
    /** The scheme of Hub models. */
    static final String SCHEME = "hf";

    static final String MAIN = "main";

    private static final String WORD = "[A-Za-z0-9](?![A-Za-z0-9._-]*(?:--|\\.\\.))[A-Za-z0-9._-]{0,95}";
    private static final Pattern ID = Pattern.compile("(?<id>" + WORD + "/" + WORD + ")(?:@(?<revision>[^@\\s]+))?");

    /** The revision stands behind the name or behind the file; only a pull request's holds slashes. */
    private static final Pattern EXPLICIT = Pattern.compile(
            SCHEME + ":(?://)?(?<owner>" + WORD + ")/(?<name>" + WORD + ")"
                    + "(?:@(?<first>refs/(?:pr|convert)/[^@/\\s]+|[^@/\\s]+))?(?:/(?<file>[^@]*[^@/]))?/?(?:@(?<last>[^@\\s]+))?");

    /** The address of a model, of one of its revisions or of one of its files, as a browser shows it. */
    private static final Pattern PAGE = Pattern.compile("https?://(?:www\\.)?(?:huggingface\\.co|hf\\.co)/(?<id>" + WORD
            + "/" + WORD + ")/?(?:/(?:tree|blob|resolve)/(?<revision>[^/?#]+)/?(?:/?(?<file>[^?#]+))?)?(?:[?#].*)?");

    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

    /** Whether the text names a model of the Hub and nothing else. */
    static boolean isExplicit(String model) {
        return model.startsWith(SCHEME + ":");
    }

    /** The explicit name of what an address of the Hub's pages shows; any other text as it is. */
    static String ofPage(String model) {
        Matcher page = PAGE.matcher(model);
        if (!page.matches()) {
            return model;
        }
        String revision = page.group("revision") == null ? "" : "@" + page.group("revision");
        String file = page.group("file") == null
                ? ""
                : "/" + URLDecoder.decode(page.group("file").replace("+", "%2B"), StandardCharsets.UTF_8);
        return SCHEME + "://" + page.group("id") + revision + file;
    }

    /** Whether the text, which is no path that exists, may be the id of a model: {@code owner/name} or {@code owner/name@revision}. */
    public static boolean isPossibleId(String model) {
        Matcher id = ID.matcher(model);
        return id.matches() && !id.group("id").matches("(?i).*\\.(?:gguf|safetensors|json|git)");
    }

    /**
     * What the text names.
     *
     * @param model an explicit one, or a possible id
     * @throws JobException with exit code 2 where it names none
     */
    public static HubModel parse(String model) {
        Matcher parts = EXPLICIT.matcher(isExplicit(model) ? model : SCHEME + ":" + model);
        boolean twice = parts.matches() && parts.group("first") != null && parts.group("last") != null;
        if (!parts.matches() || twice || parts.group("owner").matches("datasets|spaces|buckets")) {
            throw JobException.usage("--model " + Redaction.redact(model)
                    + " names no model of the Hugging Face Hub: write hf:owner/name, hf:owner/name@revision or"
                    + " hf:owner/name/file.gguf@revision");
        }
        Optional<String> file = Optional.ofNullable(parts.group("file"));
        if (file.isPresent() && !isGgufPath(file.get())) {
            throw JobException.usage("--model " + Redaction.redact(model)
                    + ": of a model on the Hugging Face Hub one .gguf file can be named, not " + file.get()
                    + ": leave it out, or write hf:owner/name/file.gguf (a slash in a revision is written %2F)");
        }
        Optional<String> revision = Optional.ofNullable(parts.group("first"))
                .or(() -> Optional.ofNullable(parts.group("last")))
                .map(text -> URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8));
        return new HubModel(parts.group("owner"), parts.group("name"), revision, file);
    }

    private static boolean isGgufPath(String file) {
        boolean plain = !file.startsWith("/") && !file.contains("//") && !("/" + file + "/").contains("/../");
        return plain && file.regionMatches(true, file.length() - 5, ".gguf", 0, 5);
    }

    /** {@code owner/name}. */
    String id() {
        return owner + "/" + name;
    }

    String revisionOrMain() {
        return revision.orElse(MAIN);
    }

    /** The commit, if the revision is one. */
    Optional<String> commit() {
        return revision.filter(text -> COMMIT.matcher(text).matches());
    }

    /** The same at that commit. */
    HubModel at(String commit, Optional<String> chosen) {
        return new HubModel(owner, name, Optional.of(commit), chosen);
    }

    /** The path of the repository's files at this revision. */
    String root() {
        return SCHEME + "://" + id() + revision.map(text -> "@" + encoded(text)).orElse("");
    }

    static String encoded(String segment) {
        return URLEncoder.encode(segment, StandardCharsets.UTF_8).replace("+", "%20");
    }

    @Override
    public String toString() {
        return root() + file.map(path -> "/" + path).orElse("");
    }
}
