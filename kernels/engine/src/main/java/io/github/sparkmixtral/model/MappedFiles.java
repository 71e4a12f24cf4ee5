package io.github.sparkmixtral.model;

import io.github.sparkmixtral.file.ModelException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.stream.StreamSupport;

/** Maps files read-only. The mappings live as long as the arena. */
final class MappedFiles {
    private final Arena arena;

    MappedFiles(Arena arena) {
        this.arena = arena;
    }

    /** The file of that name in the directory; empty where there is none. */
    Optional<MemorySegment> sibling(Path directory, String name) {
        Path file;
        try {
            file = directory.resolve(name);
        } catch (InvalidPathException e) {
            throw new ModelException("%s cannot have a file named %.100s".formatted(directory, name), e);
        }
        if (Files.isSymbolicLink(file) && !Files.exists(file)) {
            throw new ModelException("%s is a link to a file that is not there; fetch it again".formatted(file));
        }
        return Files.exists(file) ? Optional.of(map(file)) : Optional.empty();
    }

    /** Names of all that lies in the directory. */
    static List<String> names(Path directory) {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory)) {
            return StreamSupport.stream(files.spliterator(), false)
                    .map(file -> file.getFileName().toString())
                    .toList();
        } catch (IOException | DirectoryIteratorException e) {
            throw new ModelException("%s cannot be listed: %s".formatted(directory, e.getMessage()), e);
        }
    }

    /** The whole of one file. */
    MemorySegment map(Path file) {
        if (!Files.isRegularFile(file)) {
            throw new ModelException("%s is no regular file".formatted(file));
        }
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
        } catch (AccessDeniedException e) {
            throw new ModelException("%s may not be read: permission denied".formatted(file), e);
        } catch (IOException e) {
            throw new ModelException("%s cannot be read: %s".formatted(file, e.getMessage()), e);
        }
    }
}
