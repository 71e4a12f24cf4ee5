package io.github.sparkmixtral.safetensors;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.file.JsonFile;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.StoredTensor;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * The weights of a Hugging Face directory: one {@code model.safetensors}, or shards that {@code model.safetensors.index.json}
 * assigns the tensors to.
 */
public final class SafetensorsDirectory {
    private static final String SINGLE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";
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
        Map<String, Map<String, StoredTensor>> shards = new LinkedHashMap<>();
        Set<String> missing = new TreeSet<>();
        for (String shard : new TreeSet<>(weightMap.values())) {
            files.apply(shard)
                    .ifPresentOrElse(
                            content -> shards.put(shard, SafetensorsFile.read(directory + "/" + shard, content)),
                            () -> missing.add(shard));
        }
        if (!missing.isEmpty()) {
            throw new ModelException("%s lacks %d of the %d files that %s names: %s; fetch them"
                    .formatted(directory, missing.size(), missing.size() + shards.size(), INDEX, firstOf(missing)));
        }
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

    private static String firstOf(Set<String> names) {
        int most = 5;
        String listed = String.join(", ", names.stream().limit(most).toList());
        return names.size() > most ? listed + ", …" : listed;
    }
}
