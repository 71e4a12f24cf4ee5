package io.github.sparkmixtral.file;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** What a clone or a download may leave in the place of a file, under its name. */
public final class StandIn {
    /** How much of the beginning tells. */
    public static final int BYTES = 64;

    private StandIn() {}

    /**
     * Returns if the file may be itself.
     *
     * @param content at least its first {@link #BYTES} bytes, or all of it
     * @throws ModelException if it is a pointer of Git LFS or a page of HTML or XML, with the way to the file itself
     */
    public static void refuse(String file, MemorySegment content) {
        byte[] beginning =
                content.asSlice(0, Math.min(BYTES, content.byteSize())).toArray(JAVA_BYTE);
        String text = new String(beginning, StandardCharsets.ISO_8859_1).strip().toLowerCase(Locale.ROOT);
        if (text.startsWith("version https://git-lfs")) {
            throw new ModelException(
                    "%s is a Git LFS pointer and not the file itself; run git lfs pull".formatted(file));
        }
        if (text.startsWith("<!doctype") || text.startsWith("<html") || text.startsWith("<?xml")) {
            throw new ModelException(
                    "%s is a web page and not the file itself: a server answered its download with an error or a login; fetch it again"
                            .formatted(file));
        }
    }
}
