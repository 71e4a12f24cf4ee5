package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.memory.AnonymousMemory;
import io.github.sparkmixtral.memory.AnonymousMemory.Access;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Memory between two pages that may not be touched: whoever reads or writes past its end, or before its beginning, ends the process. */
final class GuardedMemory {

    private static final long PAGE = 4096;

    private GuardedMemory() {}

    /** Memory whose first byte, or whose last one, lies beside a page that may not be touched. */
    static MemorySegment allocate(long bytes, boolean atEnd, Arena arena) {
        long inside = Math.ceilDiv(bytes, PAGE) * PAGE;
        MemorySegment all = AnonymousMemory.map(inside + 2 * PAGE, arena);
        assertThat(AnonymousMemory.protect(all.asSlice(0, PAGE), Access.NONE)).isTrue();
        assertThat(AnonymousMemory.protect(all.asSlice(PAGE + inside), Access.NONE))
                .isTrue();
        return all.asSlice(atEnd ? PAGE + inside - bytes : PAGE, bytes);
    }
}
