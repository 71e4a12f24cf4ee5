package io.github.sparkmixtral.job.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.file.ModelException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * What of a repository is the model: a Hugging Face directory's files, or one GGUF file with all of its parts.
 *
 * @param file the GGUF file, the first of several parts; empty for a directory
 */
record HubSelection(Optional<String> file, List<HubFile> files) {
    private static final JsonMapper JSON = new JsonMapper();
    private static final String INDEX = "model.safetensors.index.json";
    private static final String SINGLE = "model.safetensors";

    /** What lies beside the weights and may be read. */
    private static final Pattern BESIDE = Pattern.compile(
            "config\\.json|generation_config\\.json|tokenizer[^/]*\\.(?:json|model)(?:\\.v\\d+)?|special_tokens_map\\.json"
                    + "|added_tokens\\.json|chat_template\\.[a-z]+");

    private static final Pattern PART = Pattern.compile("(?<stem>.*)-\\d{5}-of-(?<parts>\\d{5})(?<end>\\.gguf)");
    private static final int MOST_NAMED = 40;

    HubSelection {
        files = List.copyOf(files);
    }

    /** Reads a small file of the repository. */
    @FunctionalInterface
    interface Reading {
        byte[] of(HubFile file) throws IOException;
    }

    /**
     * Chooses.
     *
     * @param all files of the repository
     * @throws ModelException where there is no such file, none that is read, or several models to choose from
     */
    static HubSelection of(HubModel model, List<HubFile> all, Reading reading) throws IOException {
        TreeMap<String, List<HubFile>> ggufs = new TreeMap<>();
        for (HubFile file : all) {
            if (file.path().toLowerCase(Locale.ROOT).endsWith(".gguf")) {
                ggufs.computeIfAbsent(firstPart(file.path()), _ -> new ArrayList<>())
                        .add(file);
            }
        }
        if (model.file().isPresent()) {
            String first = firstPart(model.file().get());
            if (!ggufs.containsKey(first)) {
                throw new ModelException("no such file: " + model.root() + " has no "
                        + model.file().get()
                        + (ggufs.isEmpty() ? " and no other GGUF file" : "; it has " + listed(ggufs)));
            }
            return parts(model, first, ggufs.get(first));
        }
        List<HubFile> directory = directory(model, all, reading);
        if (!directory.isEmpty()) {
            return new HubSelection(Optional.empty(), directory);
        }
        if (ggufs.size() > 1) {
            throw new ModelException(model.root() + " has " + ggufs.size() + " models: " + listed(ggufs)
                    + ": name one, such as --model hf:" + model.id() + "/" + suggested(ggufs));
        }
        if (ggufs.isEmpty()) {
            throw new ModelException(model.root() + " has no weights that can be read: neither config.json with "
                    + SINGLE + " or " + INDEX + ", nor a GGUF file; " + largest(all));
        }
        return parts(model, ggufs.firstKey(), ggufs.firstEntry().getValue());
    }

    private static HubSelection parts(HubModel model, String first, List<HubFile> files) {
        Matcher part = PART.matcher(first);
        int parts = part.matches() ? Integer.parseInt(part.group("parts")) : 1;
        if (files.size() != parts) {
            throw new ModelException(model.root() + " has " + files.size() + " of the " + parts + " parts of " + first
                    + ": it is not whole; name another revision or model");
        }
        return new HubSelection(Optional.of(first), files);
    }

    private static String firstPart(String path) {
        Matcher part = PART.matcher(path);
        return part.matches() ? part.group("stem") + "-00001-of-" + part.group("parts") + part.group("end") : path;
    }

    /** The files of the repository's top; none where there are no weights. */
    private static List<HubFile> directory(HubModel model, List<HubFile> all, Reading reading) throws IOException {
        List<HubFile> top = all.stream().filter(file -> file.folder().isEmpty()).toList();
        Set<String> weights = new LinkedHashSet<>();
        Optional<HubFile> index = named(top, INDEX);
        if (named(top, "config.json").isEmpty()) {
            return List.of();
        }
        // As transformers and our own reader do: the single file is taken where both are there.
        if (named(top, SINGLE).isPresent()) {
            weights.add(SINGLE);
        } else if (index.isPresent()) {
            weights.add(INDEX);
            weights.addAll(shards(model, reading.of(index.get())));
        }
        Set<String> missing = new LinkedHashSet<>(weights);
        top.forEach(file -> missing.remove(file.name()));
        if (!missing.isEmpty()) {
            throw new ModelException(
                    model.root() + " lacks " + missing.size() + " of the files that its " + INDEX + " names, such as "
                            + missing.iterator().next() + ": it is not whole; name another revision or model");
        }
        return weights.isEmpty()
                ? List.of()
                : top.stream()
                        .filter(file -> weights.contains(file.name())
                                || BESIDE.matcher(file.name()).matches())
                        .toList();
    }

    private static Optional<HubFile> named(List<HubFile> files, String name) {
        return files.stream().filter(file -> file.path().equals(name)).findFirst();
    }

    private static Set<String> shards(HubModel model, byte[] index) {
        Set<String> shards = new LinkedHashSet<>();
        try {
            for (JsonNode shard : JSON.readTree(index).path("weight_map")) {
                shards.add(shard.asText());
            }
        } catch (IOException e) {
            shards.clear();
        }
        if (shards.isEmpty()) {
            throw new ModelException(
                    model.root() + "/" + INDEX + " is no index of weights: name another revision or model");
        }
        return shards;
    }

    private static String listed(TreeMap<String, List<HubFile>> models) {
        String some = models.entrySet().stream()
                .limit(MOST_NAMED)
                .map(entry -> entry.getKey() + " ("
                        + size(entry.getValue().stream()
                                .mapToLong(HubFile::size)
                                .sum()) + ")")
                .collect(Collectors.joining(", "));
        return models.size() > MOST_NAMED ? some + " and " + (models.size() - MOST_NAMED) + " more" : some;
    }

    private static String suggested(TreeMap<String, List<HubFile>> models) {
        return models.keySet().stream()
                .filter(name -> name.toUpperCase(Locale.ROOT).contains("Q4_K_M"))
                .findFirst()
                .orElse(models.firstKey());
    }

    private static String largest(List<HubFile> all) {
        List<String> names = all.stream()
                .sorted(Comparator.comparingLong(HubFile::size).reversed())
                .limit(3)
                .map(HubFile::path)
                .toList();
        return names.isEmpty()
                ? "it is empty"
                : "its largest files are " + String.join(", ", names) + ": name a model with safetensors or GGUF files";
    }

    private static String size(long bytes) {
        return bytes < 100_000_000
                ? String.format(Locale.ROOT, "%.1f MB", bytes / 1e6)
                : String.format(Locale.ROOT, "%.1f GB", bytes / 1e9);
    }
}
