package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.service.Task;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Passages of documents in prompts: options as they are written. They have no values unless they are given. */
public final class ContextOptions {
    private static final int PASSAGES = 4;

    /** Of what an agent asks for, the best passage alone is the answer. */
    private static final int TOOL_PASSAGES = 1;

    @Option(
            names = "--context-index",
            paramLabel = "DIR",
            description =
                    "Index of documents, made by spark-mixtral index or by --documents: a local path, or a URI that Hadoop"
                            + " opens, which is fetched once per host. The passages that fit a row best stand where --prompt-template"
                            + " says {context}, or before the question in a text of the job's own, and in the column contexts. With"
                            + " --task agent the model asks for them itself, by the tool Search."
                            + " Default: none")
    String index;

    @Option(
            names = "--context-k",
            paramLabel = "N",
            description =
                    "Most passages for a row. Default: " + PASSAGES + "; for a search of an agent, " + TOOL_PASSAGES)
    Integer passages;

    @Option(
            names = "--context-mode",
            paramLabel = "bm25|vector|hybrid",
            description =
                    "How passages are found: by the words of the question, by the embedding that the model makes of it, or"
                            + " by both, fused by ranks. Default: bm25")
    ContextMode mode;

    @Option(
            names = "--context-query",
            paramLabel = "NAME|TEXT",
            description =
                    "What is searched for: a column, or a template such as '{title} {question}'. Default: the column beside"
                            + " {context} in --prompt-template; without one, the row's prompt or last user message")
    String query;

    @Option(
            names = "--context-max-tokens",
            paramLabel = "N|auto",
            converter = OptionValues.CountOrAuto.class,
            description =
                    "Tokens that a row's passages may take together. The best come first, each whole, up to the first that does"
                            + " not fit. Default: auto, half of the longest sequence")
    Integer maxTokens;

    /** Whether there is an index. */
    boolean isGiven(Optional<String> defaultIndex) {
        return index != null || defaultIndex.isPresent();
    }

    /**
     * Checks and resolves.
     *
     * @param defaultIndex that is taken if no option names one
     * @param template of the prompt; null for none
     * @param task an agent searches for itself, by words
     * @return null without an index
     * @throws JobException with exit code 2 and one sentence for the first fault
     */
    ContextRetrieval resolve(Optional<String> defaultIndex, PromptTemplate template, Task task) {
        String location = index == null ? defaultIndex.orElse(null) : index;
        if (location == null) {
            OptionValues.requireNone(
                    "--context-index: without one there are no passages",
                    "--context-k",
                    passages,
                    "--context-mode",
                    mode,
                    "--context-query",
                    query,
                    "--context-max-tokens",
                    maxTokens);
            return null;
        }
        if (location.isBlank()) {
            throw JobException.usage("--context-index must be a directory, not nothing");
        }
        if (passages != null) {
            OptionValues.requireAtLeast(1, "--context-k", passages);
        }
        if (task == Task.AGENT) {
            return asTool(location);
        }
        if (template != null && !template.columns().contains(PromptTemplate.CONTEXT)) {
            throw JobException.usage(
                    "--prompt-template has no {context}: write it where the passages of --context-index go");
        }
        return new ContextRetrieval(
                location,
                Objects.requireNonNullElse(passages, PASSAGES),
                Objects.requireNonNullElse(mode, ContextMode.BM25),
                query(template),
                Objects.requireNonNullElse(maxTokens, 0),
                false);
    }

    private ContextRetrieval asTool(String location) {
        if (mode != null && mode != ContextMode.BM25) {
            throw JobException.usage("--context-mode must be bm25 with --task agent: its tool Search finds words");
        }
        OptionValues.requireNone(
                "--task agent, whose tool Search is asked by the model",
                "--context-query",
                query,
                "--context-max-tokens",
                maxTokens);
        return new ContextRetrieval(
                location, Objects.requireNonNullElse(passages, TOOL_PASSAGES), ContextMode.BM25, null, 0, true);
    }

    private PromptTemplate query(PromptTemplate template) {
        if (query != null) {
            try {
                return query.contains("{") ? PromptTemplate.parse(query) : PromptTemplate.ofColumn(query);
            } catch (IllegalArgumentException e) {
                throw JobException.usage("--context-query " + e.getMessage());
            }
        }
        if (template == null) {
            return null;
        }
        List<String> others = new ArrayList<>(template.columns());
        others.remove(PromptTemplate.CONTEXT);
        if (others.size() != 1) {
            throw JobException.usage(
                    "--context-query is missing: say what is searched for, because --prompt-template names "
                            + (others.isEmpty() ? "no column" : "several columns (" + String.join(", ", others) + ")")
                            + " beside {context}");
        }
        return PromptTemplate.ofColumn(others.getFirst());
    }
}
