package io.github.sparkmixtral.safetensors;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.file.JsonFile;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.StoredTensor;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The weights of a Hugging Face directory: one {@code model.safetensors}, or shards that {@code model.safetensors.index.json}
 * assigns the tensors to.
 */
public final class SafetensorsDirectory {
    private static final String SINGLE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";
    private static final Pattern NUMBERED = Pattern.compile("(.*)-\\d{5}-of-(\\d{5})\\.safetensors");
    // A plain file name, so that no index makes us read outside of the directory.
    private static final Pattern SHARD = Pattern.compile("[\\w][\\w.-]{0,199}\\.safetensors");

    private SafetensorsDirectory() {}

    /**
     * Reads all headers. As transformers does, takes the single file where both it and an index are there.
     *
     * @param directory for error messages
     * @param files maps a file of the directory by its name; empty where there is none
     * @return tensors by name; empty where the directory has neither a single file nor an index
     * @throws ModelException where a header or the index lies, or a shard is missing
     */
    public static Optional<Map<String, StoredTensor>> read(
            String directory, Function<String, Optional<MemorySegment>> files) {
        Optional<MemorySegment> single = files.apply(SINGLE);
        if (single.isPresent()) {
            return Optional.of(SafetensorsFile.read(directory + "/" + SINGLE, single.get()));
        }
        return files.apply(INDEX).map(index -> sharded(directory, weightMap(directory + "/" + INDEX, index), files));
    }

    /**
     * Reads files that no index assigns tensors to: together they have all, and none twice.
     *
     * @param names such as {@code consolidated-00001-of-00002.safetensors}, or a single one
     * @throws ModelException where a header lies, a file is missing or two have the same tensor
     */
    public static Map<String, StoredTensor> union(
            String directory, List<String> names, Function<String, Optional<MemorySegment>> files) {
        TreeSet<String> wanted = new TreeSet<>(names);
        for (String name : names) {
            Matcher part = NUMBERED.matcher(name);
            for (int i = 1; part.matches() && i <= Integer.parseInt(part.group(2)); i++) {
                wanted.add("%s-%05d-of-%s.safetensors".formatted(part.group(1), i, part.group(2)));
            }
        }
        Map<String, Map<String, StoredTensor>> shards = shards(directory, wanted, "are the model's", files);
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        for (Map<String, StoredTensor> shard : shards.values()) {
            shard.forEach((name, tensor) -> {
                if (tensors.put(name, tensor) != null) {
                    throw new ModelException(
                            "%s: another file has the tensor %.200s too".formatted(tensor.file(), name));
                }
            });
        }
        return tensors;
    }

    private static Map<String, String> weightMap(String file, MemorySegment index) {
        JsonNode map = JsonFile.read(file, index).get("weight_map");
        if (map == null || !map.isObject()) {
            throw new ModelException("%s has no weight_map".formatted(file));
        }
        Map<String, String> shards = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry : map.properties()) {
            String shard = entry.getValue().textValue();
            if (shard == null || !SHARD.matcher(shard).matches()) {
                throw new ModelException(
                        "%s: the weight_map puts %.200s into %.200s, which is no name of a .safetensors file in the same directory"
                                .formatted(file, entry.getKey(), entry.getValue()));
            }
            shards.put(entry.getKey(), shard);
        }
        return shards;
    }

    private static Map<String, StoredTensor> sharded(
            String directory, Map<String, String> weightMap, Function<String, Optional<MemorySegment>> files) {
        Map<String, Map<String, StoredTensor>> shards =
                shards(directory, new TreeSet<>(weightMap.values()), INDEX + " names", files);
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        weightMap.forEach((name, shard) -> {
            StoredTensor tensor = shards.get(shard).get(name);
            if (tensor == null) {
                throw new ModelException("%s/%s has no tensor %.200s, which %s says it has; fetch both files again"
                        .formatted(directory, shard, name, INDEX));
            }
            tensors.put(name, tensor);
        });
        return tensors;
    }

    private static Map<String, Map<String, StoredTensor>> shards(
            String directory, TreeSet<String> names, String which, Function<String, Optional<MemorySegment>> files) {
        Map<String, Map<String, StoredTensor>> shards = new LinkedHashMap<>();
        Set<String> missing = new TreeSet<>();
        for (String shard : names) {
            files.apply(shard)
                    .ifPresentOrElse(
                            content -> shards.put(shard, SafetensorsFile.read(directory + "/" + shard, content)),
                            () -> missing.add(shard));
        }
        if (!missing.isEmpty()) {
            throw new ModelException("%s lacks %d of the %d files that %s: %s; fetch them"
                    .formatted(directory, missing.size(), names.size(), which, firstOf(missing)));
        }
        return shards;
    }

    private static String firstOf(Set<String> names) {
        int most = 5;
        String listed = String.join(", ", names.stream().limit(most).toList());
        return names.size() > most ? listed + ", …" : listed;
    }
}
