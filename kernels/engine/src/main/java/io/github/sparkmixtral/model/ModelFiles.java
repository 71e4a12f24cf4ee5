package io.github.sparkmixtral.model;

import io.github.sparkmixtral.file.ModelException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Which of a directory's files make a model. Their names alone decide, so that this can be asked of every file system before
 * anything is fetched.
 *
 * @param layout how they store it
 * @param names all of them, sorted; a GGUF model's first part is the first
 * @param notes lines for the log: what else lies there and is not used
 */
public record ModelFiles(Layout layout, List<String> names, List<String> notes) {
    private static final Pattern PART = Pattern.compile("(.*)-\\d{5}(-of-\\d{5}\\.gguf)");
    private static final Pattern PIECE = Pattern.compile("(.*\\.gguf)[.-](?:split|part(?!ial)).+");
    private static final Pattern TORCH =
            Pattern.compile("(pytorch_model|consolidated).*\\.(bin|pt|pth)(\\.index\\.json)?");
    private static final Pattern UNFINISHED =
            Pattern.compile(".*\\.(incomplete|part|partial|crdownload|download|aria2)");

    /** The ways to store a model. */
    public enum Layout {
        /** {@code config.json} and {@code model*.safetensors}. */
        HUGGING_FACE,
        /** {@code params.json} and {@code consolidated*.safetensors}. */
        MISTRAL,
        /** One file, or one split into several. */
        GGUF
    }

    public ModelFiles {
        names = List.copyOf(names);
        notes = List.copyOf(notes);
    }

    /**
     * The model that a directory holds. Of two layouts Hugging Face's is taken before Mistral's own, and both before GGUF
     * files. A directory with {@code config.json} alone is of Hugging Face's layout, too, so that its reader says what it lacks.
     *
     * @param directory for messages
     * @param listing names of all its files
     * @throws ModelException where there is none, or only GGUF files, and those of more than one model
     */
    public static ModelFiles ofDirectory(String directory, Collection<String> listing) {
        TreeSet<String> names = new TreeSet<>(listing);
        names.removeIf(name -> name.startsWith("."));
        TreeMap<String, List<String>> gguf = ggufModels(names);
        boolean config = names.contains("config.json");
        boolean params = names.contains("params.json");
        boolean weights = any(names, ModelFiles::isWeights);
        boolean consolidated = any(names, ModelFiles::isConsolidated);
        if (config && weights) {
            List<String> notes = new ArrayList<>();
            if (params && consolidated) {
                notes.add(
                        "%s holds the model in two layouts: took Hugging Face's (config.json), not Mistral's (params.json)"
                                .formatted(directory));
            }
            if (!gguf.isEmpty()) {
                notes.add("%s holds GGUF files too: took its safetensors, not %s".formatted(directory, shown(gguf)));
            }
            return new ModelFiles(Layout.HUGGING_FACE, matching(names, ModelFiles::belongsToHuggingFaceLayout), notes);
        }
        if (params && consolidated) {
            return new ModelFiles(Layout.MISTRAL, matching(names, ModelFiles::belongsToMistralLayout), List.of());
        }
        if (gguf.size() == 1) {
            return new ModelFiles(Layout.GGUF, gguf.firstEntry().getValue(), List.of());
        }
        if (gguf.size() > 1) {
            throw new ModelException(
                    "%s holds %d GGUF models: name one of them: %s".formatted(directory, gguf.size(), shown(gguf)));
        }
        refuseOtherForms(directory, names);
        if (config) {
            return new ModelFiles(
                    Layout.HUGGING_FACE, matching(names, ModelFiles::belongsToHuggingFaceLayout), List.of());
        }
        throw new ModelException(
                directory
                        + (weights || consolidated
                                ? " has weights, but neither config.json nor params.json; fetch the model's other files"
                                : params
                                        ? " has params.json, but no consolidated.safetensors; fetch the model's weights"
                                        : " holds no model: neither safetensors with config.json or params.json nor a .gguf file"));
    }

    private static void refuseOtherForms(String directory, TreeSet<String> names) {
        if (names.contains("adapter_config.json")) {
            throw new ModelException(
                    "%s holds a LoRA adapter and no model: merge it into its model (peft: merge_and_unload), and name that"
                            .formatted(directory));
        }
        for (String name : names) {
            if (PIECE.matcher(name).matches()) {
                throw cutInPieces(directory, name);
            }
            if (UNFINISHED.matcher(name).matches()) {
                throw new ModelException("%s holds a download that is not finished (%s), and no whole model; finish it"
                        .formatted(directory, name));
            }
            if (TORCH.matcher(name).matches()) {
                throw new ModelException(
                        "%s has its weights in %s, which is PyTorch's format and is not read; take the model as safetensors, or convert it (transformers: from_pretrained, then save_pretrained)"
                                .formatted(directory, name));
            }
        }
    }

    private static ModelException cutInPieces(String directory, String piece) {
        Matcher matcher = PIECE.matcher(piece);
        String whole = matcher.matches() ? matcher.group(1) : piece;
        return new ModelException(
                "%s/%s is a piece of a file that was cut; join all of its pieces in their order into %s (cat), and name that"
                        .formatted(directory, piece, whole));
    }

    /**
     * The GGUF model that a file is, or is a part of.
     *
     * @param listing names of all files beside it; {@link #mayBePart} tells whether they matter
     * @throws ModelException where it is no file that holds a model
     */
    public static ModelFiles ofFile(String directory, String name, Collection<String> listing) {
        if (PIECE.matcher(name).matches()) {
            throw cutInPieces(directory, name);
        }
        if (name.endsWith(".safetensors") || name.endsWith(".json") || name.startsWith("tokenizer.")) {
            throw new ModelException(
                    "%s/%s is only one file of a model: name the directory that holds it, config.json and the tokenizer"
                            .formatted(directory, name));
        }
        if (TORCH.matcher(name).matches()) {
            throw new ModelException(
                    "%s/%s is a file of PyTorch's format, which is not read; take the model as safetensors or GGUF"
                            .formatted(directory, name));
        }
        String model = ggufModel(name);
        List<String> parts =
                matching(new TreeSet<>(listing), other -> ggufModel(other).equals(model));
        return new ModelFiles(Layout.GGUF, parts.isEmpty() ? List.of(name) : parts, List.of());
    }

    /** Whether a name is that of one part of a split GGUF model. */
    public static boolean mayBePart(String name) {
        return PART.matcher(name).matches();
    }

    /** Names of the parts of each GGUF model, by the name that they have in common. */
    private static TreeMap<String, List<String>> ggufModels(TreeSet<String> names) {
        TreeMap<String, List<String>> models = new TreeMap<>();
        for (String name : names) {
            // What llama.cpp measures for quantizing, and projectors of images, are GGUF files too.
            if (name.endsWith(".gguf") && !name.contains("imatrix") && !name.startsWith("mmproj")) {
                models.computeIfAbsent(ggufModel(name), _ -> new ArrayList<>()).add(name);
            }
        }
        return models;
    }

    /** The part of a GGUF file's name that the other parts of its model have too. */
    private static String ggufModel(String name) {
        Matcher part = PART.matcher(name);
        return part.matches() ? part.group(1) + part.group(2) : name;
    }

    private static String shown(TreeMap<String, List<String>> gguf) {
        List<String> firsts =
                gguf.values().stream().map(List::getFirst).limit(10).toList();
        return String.join(", ", firsts) + (gguf.size() > firsts.size() ? ", …" : "");
    }

    private static boolean isWeights(String name) {
        boolean other = isConsolidated(name) || name.startsWith("adapter_");
        return name.endsWith(".safetensors") && !other || name.equals("model.safetensors.index.json");
    }

    private static boolean isConsolidated(String name) {
        return name.startsWith("consolidated") && name.endsWith(".safetensors");
    }

    private static boolean belongsToHuggingFaceLayout(String name) {
        return isWeights(name)
                || name.endsWith(".json")
                || name.startsWith("chat_template.")
                || name.startsWith("tokenizer.");
    }

    private static boolean belongsToMistralLayout(String name) {
        return isConsolidated(name) || name.endsWith(".json") || name.startsWith("tokenizer.");
    }

    private static boolean any(TreeSet<String> names, Predicate<String> wanted) {
        return names.stream().anyMatch(wanted);
    }

    private static List<String> matching(TreeSet<String> names, Predicate<String> wanted) {
        return names.stream().filter(wanted).toList();
    }
}
