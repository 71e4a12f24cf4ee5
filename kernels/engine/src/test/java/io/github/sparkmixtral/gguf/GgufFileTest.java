package io.github.sparkmixtral.gguf;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.StoredTensor;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.GgufWriter;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GgufFileTest {
    private static final int F32 = 0;
    private static final int Q8_0 = 8;

    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    void readsTensorsAsViewsOfTheFile(int version) {
        byte[] data = new byte[68];
        data[34] = 7;
        GgufFile file = read(new GgufWriter()
                .version(version)
                .with("general.name", "x")
                .tensor("a", F32, new byte[] {1, 2, 3, 4}, 1)
                .tensor("b", Q8_0, data, 32, 2)
                .build());
        assertThat(file.metadata().string("general.name")).contains("x");
        assertThat(file.tensors()).containsOnlyKeys("a", "b");
        StoredTensor b = file.tensors().get("b");
        assertThat(b.type()).contains(TensorType.Q8_0);
        assertThat(b.typeName()).isEqualTo("Q8_0 (8)");
        assertThat(b.shape()).containsExactly(2L, 32L);
        assertThat(b.data().byteSize()).isEqualTo(68);
        assertThat(b.data().get(JAVA_BYTE, 34)).isEqualTo((byte) 7);
        assertThat(b.data().isReadOnly()).isTrue();
        assertThat(file.tensors().get("a").data().toArray(JAVA_BYTE)).containsExactly(1, 2, 3, 4);
    }

    @Test
    void readsDataAlignedAsTheMetadataSays() {
        GgufFile file = read(new GgufWriter()
                .alignment(256)
                .with("general.alignment", 256)
                .tensor("a", F32, new byte[] {1, 2, 3, 4}, 1)
                .tensor("b", F32, new byte[] {5, 6, 7, 8}, 1)
                .build());
        assertThat(file.tensors().get("b").data().toArray(JAVA_BYTE)).containsExactly(5, 6, 7, 8);
    }

    @Test
    void readsMetadataAlone() {
        assertThat(read(new GgufWriter().with("a", 1).build()).tensors()).isEmpty();
        byte[] unpadded = Arrays.copyOf(new GgufWriter().with("a", 1).build(), 24 + 9 + 4 + 4);
        assertThat(read(unpadded).metadata().integer("a")).hasValue(1);
    }

    @ParameterizedTest
    @CsvSource({"9,Q8_1 (9)", "16,IQ2_XXS (16)", "29,IQ1_M (29)", "4,unknown (4)", "-1,unknown (4294967295)"})
    void keepsATensorOfAnotherTypeWithoutItsData(int type, String name) {
        StoredTensor tensor = read(new GgufWriter()
                        .tensor("a", type, new byte[64], 64)
                        .build())
                .tensors()
                .get("a");
        assertThat(tensor.type()).isEmpty();
        assertThat(tensor.typeName()).isEqualTo(name);
        assertThat(tensor.data().byteSize()).isZero();
    }

    @Test
    void refusesForeignFiles() {
        assertRefused(new byte[0], "dir/x.gguf is no GGUF file: it does not begin with GGUF");
        assertRefused(ascii("GGU"), "dir/x.gguf is no GGUF file: it does not begin with GGUF");
        assertRefused(ascii("ggml and so on"), "dir/x.gguf is no GGUF file: it does not begin with GGUF");
        assertRefused(
                ascii("version https://git-lfs.github.com/spec/v1\n"),
                "dir/x.gguf is a Git LFS pointer and not the file itself; run git lfs pull");
        for (String page : new String[] {"<!DOCTYPE html>", "\n<HTML lang=en>", "<?xml version='1.0'?><Error>"}) {
            assertRefused(
                    ascii(page),
                    "dir/x.gguf is a web page and not the file itself: a server answered its download with an error or a login; fetch it again");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "0|is a GGUF file of version 0; supported are 2 and 3",
                "1|is a GGUF file of version 1; supported are 2 and 3",
                "4|is a GGUF file of version 4; supported are 2 and 3",
                "-1|is a GGUF file of version 4294967295; supported are 2 and 3",
                "50331648|is a big-endian GGUF file, which is not supported; convert it to little-endian",
                "33554432|is a big-endian GGUF file, which is not supported; convert it to little-endian",
            })
    void refusesOtherVersions(int version, String message) {
        assertRefused(new GgufWriter().version(version).build(), "dir/x.gguf " + message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "-1|0|the number of tensors is 18446744073709551615",
                "1000|0|the number of tensors is 1000, more than the 1 that fit",
                "0|9223372036854775807|the number of metadata pairs is 9223372036854775807",
                "0|-1|the number of metadata pairs is 18446744073709551615",
            })
    void refusesCountsThatDoNotFit(long tensors, long pairs, String message) {
        assertRefused(new GgufWriter().build(tensors, pairs), message);
    }

    @Test
    void refusesMorePairsAndElementsThanAnyModelHas() {
        byte[] large = Arrays.copyOf(new GgufWriter().build(0, 100_000), 2 << 20);
        assertRefused(large, "dir/x.gguf states 100000 metadata pairs, more than 65536");
        byte[] array = new GgufWriter().raw("a", 9, array(0, 5 << 20)).build();
        assertRefused(
                Arrays.copyOf(array, 6 << 20),
                "the number of elements of a is 5242880, more than the 4194304 that fit");
    }

    @Test
    void refusesEveryTruncation() {
        byte[] file = new GgufWriter()
                .with("general.name", "x")
                .with("list", List.of("one", "two"))
                .with("numbers", new float[] {1, 2})
                .tensor("a", F32, new byte[64], 16)
                .build();
        for (int length = 0; length < file.length; length++) {
            byte[] truncated = Arrays.copyOf(file, length);
            assertThatThrownBy(() -> read(truncated))
                    .as("%d of %d bytes", length, file.length)
                    .isInstanceOf(ModelException.class)
                    .hasMessageContaining("dir/x.gguf");
        }
    }

    @Test
    void saysThatAFileIsTruncated() {
        byte[] file = new GgufWriter().tensor("a", F32, new byte[64], 16).build();
        assertRefused(
                Arrays.copyOf(file, file.length - 1),
                "dir/x.gguf: tensor a has 64 bytes at offset 0, but there are 63 bytes of data, aligned to 32: the file is truncated or damaged; fetch it again");
        assertRefused(
                Arrays.copyOf(new GgufWriter().with("some.key", 1).build(), 42),
                "dir/x.gguf ends in the middle of the type of some.key: the file is truncated or damaged; fetch it again");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "0|-32|16|at offset 18446744073709551584, but there are 64 bytes of data",
                "0|1|8|tensor a has 32 bytes at offset 1, but there are 64 bytes of data, aligned to 32",
                "0|64|16|tensor a has 64 bytes at offset 64, but there are 64 bytes",
                "0|9223372036854775776|16|at offset 9223372036854775776",
                "0|0|17|tensor a has 68 bytes at offset 0, but there are 64 bytes",
                "0|0|0|tensor a has the shape [0], which is empty, negative or too large",
                "0|0|-1|tensor a has the shape [-1], which is empty, negative or too large",
                "0|0|9223372036854775807|which is empty, negative or too large",
                "8|0|33|tensor a has rows of 33 elements, which is no multiple of Q8_0's block of 32",
                "14|0|32|tensor a has rows of 32 elements, which is no multiple of Q6_K's block of 256",
            })
    void refusesALyingTensorHeader(int type, long offset, long columns, String message) {
        assertRefused(withData(new GgufWriter().header("a", type, offset, columns)), message);
    }

    @Test
    void refusesShapesThatOverflow() {
        assertRefused(
                withData(new GgufWriter().header("a", F32, 0, 1L << 32, 1L << 32)),
                "tensor a has the shape [4294967296, 4294967296], which is empty, negative or too large");
        assertRefused(
                withData(new GgufWriter().header("a", F32, 0, 1L << 21, 1L << 21, 1L << 21)),
                "tensor a has the shape [2097152, 2097152, 2097152], which is empty, negative or too large");
    }

    @Test
    void refusesTooManyDimensions() {
        assertRefused(withData(new GgufWriter().header("a", F32, 0)), "tensor a has 0 dimensions; there are 1 to 4");
        assertRefused(
                withData(new GgufWriter().header("a", F32, 0, 1, 1, 1, 1, 1)),
                "tensor a has 5 dimensions; there are 1 to 4");
    }

    @Test
    void refusesOverlapsAndDuplicates() {
        assertRefused(
                withData(new GgufWriter().header("a", F32, 0, 16).header("b", F32, 32, 8)),
                "dir/x.gguf: the data of the tensors a and b overlap");
        assertRefused(
                withData(new GgufWriter().header("a", F32, 0, 8).header("a", F32, 32, 8)),
                "dir/x.gguf has the tensor a twice");
        assertRefused(
                new GgufWriter().with("key", 1).with("key", 2).build(), "dir/x.gguf has the metadata key key twice");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3, 33})
    void refusesAnAlignmentThatIsNoPowerOfTwo(int alignment) {
        assertRefused(
                new GgufWriter().with("general.alignment", alignment).build(),
                "dir/x.gguf: metadata general.alignment is " + alignment + ", but must be a power of two");
    }

    @Test
    void refusesStringsThatDoNotFit() {
        assertRefused(
                new GgufWriter().raw("k", 8, GgufWriter.int64(1L << 40)).build(),
                "the length of k is 1099511627776, more than the 19 that fit");
        assertRefused(
                new GgufWriter().raw("k", 8, GgufWriter.int64(-1)).build(), "the length of k is 18446744073709551615");
        assertRefused(
                new GgufWriter().header("n".repeat(513), F32, 0, 1).build(),
                "the length of a tensor's name is 513, more than the 512 that fit");
    }

    @Test
    void refusesValueTypesThatAreUnknown() {
        assertRefused(
                new GgufWriter().raw("k", 13, new byte[8]).build(),
                "dir/x.gguf: metadata k has the value type 13, which is unknown or not allowed there");
        byte[] nested = new GgufWriter().raw("k", 9, array(9, 1)).build();
        assertRefused(nested, "dir/x.gguf: metadata k has the value type 9, which is unknown or not allowed there");
    }

    @Test
    void readsAllPartsOfASplitModel() {
        Map<String, byte[]> files = split();
        for (String named : files.keySet()) {
            assertThat(GgufFile.read("dir", named, opener(files)).tensors()).containsOnlyKeys("a", "b");
        }
        GgufFile file = GgufFile.read("dir", "m-00002-of-00003.gguf", opener(files));
        assertThat(file.tensors().get("b").file()).isEqualTo("dir/m-00003-of-00003.gguf");
        assertThat(file.metadata().string("general.name")).contains("split");
    }

    @Test
    void refusesAPartOfASplitModel() {
        Map<String, byte[]> files = split();
        files.put("renamed.gguf", files.get("m-00001-of-00003.gguf"));
        assertSplitRefused(
                files,
                "renamed.gguf",
                "dir/renamed.gguf is one of the 3 parts of a split model, but its name does not end with -00001-of-00003.gguf or another part's number: give all parts the names that they had, in one directory");
    }

    @Test
    void namesThePartsThatAreMissing() {
        Map<String, byte[]> files = split();
        files.remove("m-00001-of-00003.gguf");
        files.remove("m-00002-of-00003.gguf");
        assertSplitRefused(
                files,
                "m-00003-of-00003.gguf",
                "dir lacks 2 of the 3 parts of the model: m-00001-of-00003.gguf, m-00002-of-00003.gguf; fetch them");
        assertSplitRefused(files, "m-00001-of-00003.gguf", "dir/m-00001-of-00003.gguf is missing; fetch it");
    }

    @Test
    void refusesPartsThatDoNotBelongTogether() {
        Map<String, byte[]> files = split();
        files.put("m-00002-of-00003.gguf", part(1, "b"));
        assertSplitRefused(
                files, "m-00001-of-00003.gguf", "dir/m-00003-of-00003.gguf: another part has the tensor b too");
        files.put("m-00002-of-00003.gguf", files.get("m-00003-of-00003.gguf"));
        assertSplitRefused(
                files,
                "m-00001-of-00003.gguf",
                "dir/m-00002-of-00003.gguf says that it is part 3 of the model, and not part 2 as its name says: give it back the name that it had");
        files.putAll(split());
        files.put(
                "m-00002-of-00003.gguf",
                new GgufWriter()
                        .raw("split.no", 2, new byte[] {1, 0})
                        .raw("split.count", 2, new byte[] {3, 0})
                        .build());
        assertSplitRefused(
                files,
                "m-00001-of-00003.gguf",
                "dir/m-00001-of-00003.gguf says that the model has 2 tensors, but its 3 parts have 1: they are of different models; fetch them again");
    }

    private static void assertSplitRefused(Map<String, byte[]> files, String name, String message) {
        assertThatThrownBy(() -> GgufFile.read("dir", name, opener(files)))
                .isInstanceOf(ModelException.class)
                .hasMessage(message);
    }

    private static Map<String, byte[]> split() {
        Map<String, byte[]> files = new HashMap<>();
        files.put(
                "m-00001-of-00003.gguf",
                new GgufWriter()
                        .with("general.name", "split")
                        .raw("split.no", 2, new byte[] {0, 0})
                        .raw("split.count", 2, new byte[] {3, 0})
                        .with("split.tensors.count", 2)
                        .build());
        files.put("m-00002-of-00003.gguf", part(1, "a"));
        files.put("m-00003-of-00003.gguf", part(2, "b"));
        return files;
    }

    private static byte[] part(int number, String tensor) {
        return new GgufWriter()
                .raw("split.no", 2, new byte[] {(byte) number, 0})
                .raw("split.count", 2, new byte[] {3, 0})
                .tensor(tensor, F32, new byte[4], 1)
                .build();
    }

    private static Function<String, Optional<MemorySegment>> opener(Map<String, byte[]> files) {
        return name -> Optional.ofNullable(files.get(name)).map(MemorySegment::ofArray);
    }

    /** The file with 64 bytes of data, whatever its headers say. */
    private static byte[] withData(GgufWriter builder) {
        byte[] headers = builder.build();
        return Arrays.copyOf(headers, headers.length + 64);
    }

    private static byte[] array(int type, long count) {
        return ByteBuffer.allocate(12)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(type)
                .putLong(count)
                .array();
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private static void assertRefused(byte[] file, String message) {
        assertThatThrownBy(() -> read(file))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining(message)
                .hasMessageContaining("dir/x.gguf");
    }

    private static GgufFile read(byte[] file) {
        return GgufFile.read("dir/x.gguf", MemorySegment.ofArray(file));
    }
}
