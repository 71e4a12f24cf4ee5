package io.github.sparkmixtral.model;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/** Which of a directory's files the tokenizer is read from. */
final class TokenizerFiles {
    private static final Pattern VERSIONED = Pattern.compile("tokenizer\\.model\\.v\\d+");

    private TokenizerFiles() {}

    /** {@code tokenizer.json} before SentencePiece's own format, as transformers does. */
    static Tokenizer ofHuggingFaceLayout(Path directory) {
        return json(directory)
                .or(() -> plain(directory))
                .or(() -> versioned(directory))
                .orElseThrow(() -> missing(directory));
    }

    /** The newest version of SentencePiece's format, as Mistral's own code does, before {@code tokenizer.json}. */
    static Tokenizer ofMistralLayout(Path directory) {
        return versioned(directory)
                .or(() -> plain(directory))
                .or(() -> json(directory))
                .orElseThrow(() -> missing(directory));
    }

    private static Optional<Tokenizer> json(Path directory) {
        return Optional.of(directory.resolve("tokenizer.json"))
                .filter(Files::exists)
                .map(Tokenizer::ofJson);
    }

    private static Optional<Tokenizer> plain(Path directory) {
        return Optional.of(directory.resolve("tokenizer.model"))
                .filter(Files::exists)
                .map(Tokenizer::ofSentencePiece);
    }

    private static Optional<Tokenizer> versioned(Path directory) {
        List<String> names = MappedFiles.names(directory);
        return names.stream()
                .filter(VERSIONED.asMatchPredicate())
                .max(Comparator.comparingInt(String::length).thenComparing(Comparator.naturalOrder()))
                .map(directory::resolve)
                .map(Tokenizer::ofSentencePiece);
    }

    private static ModelException missing(Path directory) {
        return new ModelException(
                Files.exists(directory.resolve("tekken.json"))
                        ? "%s/tekken.json is a tokenizer of the kind Tekken, which is not supported: no Mixtral of 8x7B or 8x22B has it; fetch the model's tokenizer.json or tokenizer.model"
                                .formatted(directory)
                        : "%s has neither tokenizer.json nor tokenizer.model; fetch the model's tokenizer"
                                .formatted(directory));
    }
}
