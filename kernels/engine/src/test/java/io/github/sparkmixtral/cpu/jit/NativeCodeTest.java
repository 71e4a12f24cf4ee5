package io.github.sparkmixtral.cpu.jit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class NativeCodeTest {

    @Test
    void codeIsNeverWritableWhileItCanRun() throws IOException {
        assumeThat(NativeCode.unavailable(false)).isEmpty();
        Assembler assembler = new Assembler();
        assembler.end();
        MemorySegment code = NativeCode.executable(assembler.code());
        String mapping = Files.readAllLines(Path.of("/proc/self/maps")).stream()
                .filter(line -> holds(line, code.address()))
                .findFirst()
                .orElseThrow();
        assertThat(mapping.split(" ")[1]).isEqualTo("r-xp");
    }

    private static boolean holds(String mapping, long address) {
        String[] range = mapping.split(" ")[0].split("-");
        return Long.parseUnsignedLong(range[0], 16) <= address && address < Long.parseUnsignedLong(range[1], 16);
    }
}
