package io.github.sparkmixtral.model;

import io.github.sparkmixtral.chat.ChatTemplates;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.gguf.GgufFile;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import io.github.sparkmixtral.tokenizer.TurnTokens;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/**
 * Opens a Mixtral: a directory of Hugging Face's or of Mistral's layout, or a GGUF file. Files are mapped, not read, so that opening costs little and the
 * weights of all processes on a host share one copy in memory.
 */
public final class ModelLoader {

    private ModelLoader() {}

    /** As {@link #describe(Path, Quantization)}, without quantization. */
    public static ModelDescription describe(Path path) {
        return describe(path, Quantization.NONE);
    }

    /**
     * Reads headers only, and finds everything that {@link #load} would refuse: wrong shapes, types, sizes, offsets and names.
     *
     * @throws ModelException where the model cannot be loaded, naming the file and the field
     */
    public static ModelDescription describe(Path path, Quantization quantization) {
        return outline(path).description(quantization);
    }

    /**
     * Reads headers only, as {@link #describe(Path, Quantization)} does, down to the shapes and types of all weights.
     *
     * @throws ModelException where the model cannot be loaded, naming the file and the field
     */
    public static ModelOutline outline(Path path) {
        try (Arena arena = Arena.ofConfined()) {
            return open(path, arena, Transposition::shape).outline(path);
        }
    }

    /**
     * Opens the model for running. The caller closes it.
     *
     * @param quantization of matrices, whenever their rows are read
     * @param progress gets lines for the log: what is noteworthy, and a last one with format, bytes and seconds
     * @throws ModelException where the model cannot be loaded, naming the file and the field
     */
    public static Model load(Path path, Quantization quantization, Consumer<String> progress) {
        long start = System.nanoTime();
        Arena arena = Arena.ofShared();
        try {
            Opened opened = open(path, arena, new Transposition(path.toString(), arena));
            opened.notes().forEach(progress);
            if (!opened.checkpoint().ignored().isEmpty()) {
                progress.accept("%s: ignored %d tensors that a Mixtral does not have, such as %s"
                        .formatted(
                                path,
                                opened.checkpoint().ignored().size(),
                                opened.checkpoint().ignored().getFirst()));
            }
            Weights weights = new Quantizer(quantization)
                    .quantize(path.toString(), opened.checkpoint().weights(), progress);
            ModelDescription description = opened.outline(path).description(quantization);
            progress.accept(String.format(
                    Locale.ROOT,
                    "loaded %s: %s, %.1f MB, in %.2f s",
                    path,
                    description.format(),
                    description.bytes() / 1e6,
                    (System.nanoTime() - start) / 1e9));
            return new Model(description, weights, arena);
        } catch (Throwable t) {
            arena.close();
            throw t;
        }
    }

    private record Contents(Checkpoint checkpoint, Tokenizer tokenizer, ChatTemplates templates) {}

    /** @param notes lines for the log */
    private record Opened(Checkpoint checkpoint, Tokenizer tokenizer, ChatTemplates templates, List<String> notes) {
        ModelOutline outline(Path path) {
            return new ModelOutline(
                    path.toString(),
                    path,
                    checkpoint.container(),
                    checkpoint.config(),
                    checkpoint.weights(),
                    tokenizer,
                    templates,
                    notes);
        }
    }

    private static Opened open(Path named, Arena arena, UnaryOperator<Tensor> transposition) {
        if (!Files.exists(named)) {
            throw new ModelException(
                    "%s does not exist: name a Hugging Face model directory or a .gguf file".formatted(named));
        }
        Path path = HuggingFaceCache.snapshot(named).toAbsolutePath();
        boolean isDirectory = Files.isDirectory(path);
        Path directory = isDirectory ? path : path.getParent();
        List<String> listing = MappedFiles.names(directory);
        ModelFiles model = isDirectory
                ? ModelFiles.ofDirectory(named.toString(), listing)
                : ModelFiles.ofFile(directory.toString(), path.getFileName().toString(), listing);
        MappedFiles mapped = new MappedFiles(arena);
        Function<String, Optional<MemorySegment>> files = name -> mapped.sibling(directory, name);
        Contents contents = switch (model.layout()) {
            case HUGGING_FACE ->
                new Contents(
                        HuggingFaceCheckpoint.read(directory.toString(), files),
                        TokenizerFiles.ofHuggingFaceLayout(directory),
                        ChatTemplateFiles.read(directory.toString(), files));
            case MISTRAL ->
                new Contents(
                        MistralCheckpoint.read(directory.toString(), model.names(), files, transposition),
                        TokenizerFiles.ofMistralLayout(directory),
                        ChatTemplates.NONE);
            case GGUF -> {
                String name = isDirectory
                        ? model.names().getFirst()
                        : path.getFileName().toString();
                GgufFile file = GgufFile.read(directory.toString(), name, files);
                yield new Contents(
                        GgufCheckpoint.read(file),
                        Tokenizer.of(GgufCheckpoint.vocabulary(file)),
                        GgufCheckpoint.chatTemplates(file));
            }
        };
        return opened(named, model, contents);
    }

    private static Opened opened(Path named, ModelFiles model, Contents contents) {
        Checkpoint read = contents.checkpoint();
        Tokenizer tokenizer = contents.tokenizer();
        requireRows(named, read, tokenizer);
        ModelConfig config = read.config().withEosTokenIds(endTokens(read.config(), tokenizer));
        Checkpoint checkpoint = new Checkpoint(read.container(), config, read.weights(), read.ignored(), read.notes());
        List<String> notes = new ArrayList<>(model.notes());
        notes.addAll(read.notes());
        return new Opened(checkpoint, tokenizer, contents.templates(), notes);
    }

    /** What the configuration and the tokenizer name, and the tokens that are known to end a turn, as llama.cpp takes them. */
    private static List<Integer> endTokens(ModelConfig config, Tokenizer tokenizer) {
        Set<Integer> tokens = new LinkedHashSet<>(config.eosTokenIds());
        tokens.add(tokenizer.eosTokenId());
        for (String piece : TurnTokens.ENDS) {
            tokenizer.controlToken(piece).ifPresent(tokens::add);
        }
        return List.copyOf(tokens);
    }

    private static void requireRows(Path path, Checkpoint checkpoint, Tokenizer tokenizer) {
        int rows = checkpoint.config().vocabularySize();
        if (tokenizer.vocabularySize() > rows) {
            throw new ModelException(
                    "%s: the tokenizer has %d tokens, but the model's vocabulary only %d: they do not belong together"
                            .formatted(path, tokenizer.vocabularySize(), rows));
        }
    }
}
