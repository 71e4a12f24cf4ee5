package io.github.sparkmixtral.cpu.jit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Each instruction against what GNU as makes of it: {@code golden/assembler.txt}, which the script of that name writes. */
class AssemblerTest {

    private static final Pattern MEMORY = Pattern.compile("\\w+ PTR \\[(\\w+)([+-]\\d+)](?:\\{1to16})?");

    private static List<String> golden() throws IOException {
        try (InputStream in = AssemblerTest.class.getResourceAsStream("/golden/assembler.txt")) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        }
    }

    @Test
    void everyInstructionIsThatOfAnotherAssembler() throws IOException {
        Set<String> mnemonics = new TreeSet<>();
        for (String line : golden()) {
            String[] parts = line.split("\t");
            assertThat(HexFormat.of().formatHex(assembled(parts[1])))
                    .as(parts[1])
                    .isEqualTo(parts[0]);
            mnemonics.add(parts[1].replace("{evex} ", "").split(" ")[0]);
        }
        assertThat(mnemonics).hasSize(39);
    }

    private static byte[] assembled(String instruction) {
        String[] parts = instruction.replace("{evex} ", "").split(" ", 2);
        List<String> operands = parts.length == 1 ? List.of() : Arrays.asList(parts[1].split(", "));
        Assembler assembler = new Assembler();
        switch (parts[0]) {
            case "vmovups" -> {
                if (isMemory(operands.getFirst())) {
                    assembler.storeFloats(memory(operands.getFirst()), vector(operands.get(1)));
                } else {
                    assembler.loadFloats(vector(operands.getFirst()), memory(operands.get(1)));
                }
            }
            case "vbroadcastss" -> assembler.broadcastFloat(vector(operands.getFirst()), memory(operands.get(1)));
            case "vpbroadcastd" -> {
                if (isMemory(operands.get(1))) {
                    assembler.broadcastInt(vector(operands.getFirst()), memory(operands.get(1)));
                } else {
                    assembler.broadcastInt(vector(operands.getFirst()), general(operands.get(1)));
                }
            }
            case "vmovss" -> assembler.storeFloat(memory(operands.getFirst()), vector(operands.get(1)));
            case "vpmovdb" -> assembler.storeAsBytes(memory(operands.getFirst()), vector(operands.get(1)));
            case "vpdpbusd" ->
                assembler.multiplyAddBytes(
                        vector(operands.getFirst()), vector(operands.get(1)), memory(operands.get(2)));
            case "vcvtps2dq" -> assembler.roundToInts(vector(operands.getFirst()), vector(operands.get(1)));
            case "vmovaps" -> assembler.move(vector(operands.getFirst()), vector(operands.get(1)));
            case "vpsrad" ->
                assembler.shiftIntsRight(
                        vector(operands.getFirst()), vector(operands.get(1)), Integer.parseInt(operands.get(2)));
            case "valignd" -> {
                assertThat(operands.get(1)).isEqualTo(operands.get(2));
                assembler.turnLanes(
                        vector(operands.getFirst()), vector(operands.get(1)), Integer.parseInt(operands.get(3)));
            }
            case "vcvtph2ps" -> assembler.convertHalvesToFloats(vector(operands.getFirst()), memory(operands.get(1)));
            case "vpmovsxbd" -> assembler.extendBytesToInts(vector(operands.getFirst()), memory(operands.get(1)));
            case "vpmovzxwd" -> assembler.extendShortsToInts(vector(operands.getFirst()), memory(operands.get(1)));
            case "vcvtdq2ps" -> assembler.convertIntsToFloats(vector(operands.getFirst()), vector(operands.get(1)));
            case "vprord" -> {
                int bits = Integer.parseInt(operands.get(2));
                if (isMemory(operands.get(1))) {
                    assembler.rotateIntsRight(vector(operands.getFirst()), memory(operands.get(1)), bits);
                } else {
                    assembler.rotateIntsRight(vector(operands.getFirst()), vector(operands.get(1)), bits);
                }
            }
            case "vpslld" ->
                assembler.shiftIntsLeft(
                        vector(operands.getFirst()), vector(operands.get(1)), Integer.parseInt(operands.get(2)));
            case "vfmadd231ps" -> {
                if (isMemory(operands.get(2))) {
                    assembler.multiplyAddBroadcast(
                            vector(operands.getFirst()), vector(operands.get(1)), memory(operands.get(2)));
                } else {
                    assembler.multiplyAdd(
                            vector(operands.getFirst()), vector(operands.get(1)), vector(operands.get(2)));
                }
            }
            case "vmulps" -> {
                if (isMemory(operands.get(2))) {
                    assembler.multiplyBroadcast(
                            vector(operands.getFirst()), vector(operands.get(1)), memory(operands.get(2)));
                } else {
                    assembler.multiply(vector(operands.getFirst()), vector(operands.get(1)), vector(operands.get(2)));
                }
            }
            case "vpternlogd" -> {
                if (isMemory(operands.get(2))) {
                    assertThat(operands.get(3)).isEqualTo("0x96");
                    assembler.xorAll(vector(operands.getFirst()), vector(operands.get(1)), memory(operands.get(2)));
                } else {
                    assertThat(operands.get(3)).isEqualTo("0xea");
                    assembler.andOr(vector(operands.getFirst()), vector(operands.get(1)), vector(operands.get(2)));
                }
            }
            case "vpxord",
                    "vaddps",
                    "vsubps",
                    "vdivps",
                    "vfmadd213ps",
                    "vpermps",
                    "vpaddd",
                    "vpsubd",
                    "vpmaxsd",
                    "vpandd",
                    "vmaxps",
                    "vminps" ->
                threeVectors(
                        assembler,
                        parts[0],
                        vector(operands.getFirst()),
                        vector(operands.get(1)),
                        vector(operands.get(2)));
            case "prefetcht0" -> assembler.prefetch(memory(operands.getFirst()));
            case "mov" -> move(assembler, operands.getFirst(), operands.get(1));
            case "movabs" -> assembler.moveLong(general(operands.getFirst()), Long.parseLong(operands.get(1)));
            case "sub" -> assembler.decrement(general(operands.getFirst()));
            case "add" -> {
                if (operands.get(1).startsWith("r")) {
                    assembler.add(general(operands.getFirst()), general(operands.get(1)));
                } else {
                    assembler.add(general(operands.getFirst()), Integer.parseInt(operands.get(1)));
                }
            }
            case "imul" ->
                assembler.multiply(
                        general(operands.getFirst()), general(operands.get(1)), Integer.parseInt(operands.get(2)));
            case "vzeroupper" -> {
                assembler.end();
                return Arrays.copyOf(assembler.code(), 3);
            }
            case "ret" -> {
                assembler.end();
                return Arrays.copyOfRange(assembler.code(), 3, 4);
            }
            default -> throw new AssertionError("no method for " + instruction);
        }
        return assembler.code();
    }

    private static void move(Assembler assembler, String to, String from) {
        if (isMemory(from)) {
            assembler.loadLong(general(to), memory(from));
        } else if (from.startsWith("r")) {
            assembler.move(general(to), general(from));
        } else {
            assembler.moveInt(general(to), Integer.parseInt(from));
        }
    }

    private static void threeVectors(Assembler assembler, String mnemonic, int to, int first, int second) {
        switch (mnemonic) {
            case "vpxord" -> assembler.xor(to, first, second);
            case "vaddps" -> assembler.add(to, first, second);
            case "vsubps" -> assembler.subtract(to, first, second);
            case "vdivps" -> assembler.divide(to, first, second);
            case "vpaddd" -> assembler.addInts(to, first, second);
            case "vpsubd" -> assembler.subtractInts(to, first, second);
            case "vpmaxsd" -> assembler.maximumInts(to, first, second);
            case "vpandd" -> assembler.and(to, first, second);
            case "vmaxps" -> assembler.maximum(to, first, second);
            case "vminps" -> assembler.minimum(to, first, second);
            case "vfmadd213ps" -> assembler.multiplyInto(to, first, second);
            case "vpermps" -> assembler.lookUp(to, first, second);
            default -> throw new AssertionError(mnemonic);
        }
    }

    private static boolean isMemory(String operand) {
        return operand.contains("PTR");
    }

    private static int vector(String operand) {
        return Integer.parseInt(operand.substring("zmm".length()));
    }

    private static Memory memory(String operand) {
        Matcher matcher = MEMORY.matcher(operand);
        assertThat(matcher.matches()).as(operand).isTrue();
        return new Memory(general(matcher.group(1)), Integer.parseInt(matcher.group(2)));
    }

    /** The register, whether it is named by 32 bits or by 64. */
    private static Gpr general(String operand) {
        String name = operand.startsWith("e") ? "r" + operand.substring(1) : operand;
        return Gpr.valueOf(
                (name.matches("r\\d+d") ? name.substring(0, name.length() - 1) : name).toUpperCase(Locale.ROOT));
    }

    /** Forwards there are none: a kernel has no branches but its loops. */
    @Test
    void loopsJumpBackNearOrFar() {
        for (int between : new int[] {0, 30, 31, 32, 300}) {
            Assembler assembler = new Assembler();
            int moves = between;
            assembler.loop(Gpr.RCX, () -> {
                for (int i = 0; i < moves; i++) {
                    assembler.add(Gpr.RAX, 1);
                }
            });
            byte[] code = assembler.code();
            int at = 4 * (between + 1);
            String jump = HexFormat.of().formatHex(code, at, code.length);
            int back = -(at + 2);
            String expected = back >= -128
                    ? "75" + HexFormat.of().toHexDigits((byte) back)
                    : "0f85" + HexFormat.of().toHexDigits(Integer.reverseBytes(-(at + 6)));
            assertThat(jump).isEqualTo(expected);
        }
    }

    @Test
    void whatIsNoOperandIsRefused() {
        Assembler assembler = new Assembler();
        assertThatIllegalArgumentException().isThrownBy(() -> assembler.add(32, 0, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> assembler.add(0, -1, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> assembler.add(0, 0, 32));
        assertThatIllegalArgumentException().isThrownBy(() -> assembler.shiftIntsLeft(0, 0, 256));
    }
}
