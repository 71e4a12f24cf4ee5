package io.github.sparkmixtral.safetensors;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.StoredTensor;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.SafetensorsWriter;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsFileTest {

    @Test
    void readsTensorsAsViewsOfTheFile() {
        byte[] file = new SafetensorsWriter()
                .tensor("a", "BF16", new byte[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 2, 3)
                .tensor("b", "F32", new byte[] {13, 14, 15, 16}, 1)
                .tensor("empty", "F16", new byte[0], 0, 7)
                .tensor("scalar", "F16", new byte[] {17, 18})
                .build();
        Map<String, StoredTensor> tensors = read(file);
        assertThat(tensors).containsOnlyKeys("a", "b", "empty", "scalar");
        StoredTensor a = tensors.get("a");
        assertThat(a.type()).contains(TensorType.BF16);
        assertThat(a.shape()).containsExactly(2L, 3L);
        assertThat(a.data().toArray(JAVA_BYTE)).containsExactly(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
        assertThat(a.data().isReadOnly()).isTrue();
        assertThat(tensors.get("b").data().toArray(JAVA_BYTE)).containsExactly(13, 14, 15, 16);
        assertThat(tensors.get("empty").data().byteSize()).isZero();
        assertThat(tensors.get("scalar").shape()).isEmpty();
    }

    @Test
    void takesAHeaderPaddedWithSpaces() {
        byte[] file = SafetensorsWriter.file(
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}      ", new byte[4]);
        assertThat(read(file)).containsOnlyKeys("a");
    }

    @ParameterizedTest
    @ValueSource(strings = {"I64", "F8_E4M3", "F6_E2M3", "SOMETHING_NEW"})
    void keepsATensorOfAnotherTypeWithItsData(String dtype) {
        byte[] data = new byte["I64".equals(dtype) ? 32 : dtype.startsWith("F6") ? 3 : 4];
        StoredTensor tensor = read(new SafetensorsWriter()
                        .tensor("a", dtype, data, 4)
                        .build())
                .get("a");
        assertThat(tensor.type()).isEmpty();
        assertThat(tensor.typeName()).isEqualTo(dtype);
        assertThat(tensor.data().byteSize()).isEqualTo(data.length);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "0|states a header of 0 bytes",
                "1|states a header of 1 bytes",
                "9|states a header of 9 bytes, but has 16 bytes: it is truncated or no safetensors file",
                "-1|states a header of 18446744073709551615 bytes",
                "9223372036854775807|states a header of 9223372036854775807 bytes",
            })
    void refusesAHeaderLengthThatDoesNotFit(long length, String message) {
        byte[] file = ByteBuffer.allocate(16)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .put("{}      ".getBytes(StandardCharsets.US_ASCII))
                .array();
        assertThatThrownBy(() -> read(file))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("dir/x.safetensors " + message);
    }

    @Test
    void refusesAnOversizedHeader() {
        byte[] file = ByteBuffer.allocate(20 << 20)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong((20 << 20) - 8)
                .array();
        assertThatThrownBy(() -> read(file))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("dir/x.safetensors: the header has 20971512 bytes, more than the 16777216");
    }

    @Test
    void refusesAFileWithoutAHeader() {
        assertThatThrownBy(() -> read(new byte[0]))
                .isInstanceOf(ModelException.class)
                .hasMessage("dir/x.safetensors has 0 bytes, too few for a safetensors file; fetch it again");
    }

    @Test
    void saysThatAFileIsALargeFileStoragePointer() {
        byte[] pointer =
                "version https://git-lfs.github.com/spec/v1\noid sha256:0\n".getBytes(StandardCharsets.US_ASCII);
        assertThatThrownBy(() -> read(pointer))
                .isInstanceOf(ModelException.class)
                .hasMessage("dir/x.safetensors is a Git LFS pointer and not the file itself; run git lfs pull");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'a':|is no valid JSON",
                "{'a':{}} x|is no valid JSON",
                "[]|is no JSON object",
                "{'a':{'dtype':'F32','dtype':'F32','shape':[2],'data_offsets':[0,8]}}|Duplicate field 'dtype'",
                "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]},'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}}|Duplicate field 'a'",
                "{'a':null}|tensor a has no valid dtype",
                "{'a':{'shape':[2],'data_offsets':[0,8]}}|tensor a has no valid dtype",
                "{'a':{'dtype':7,'shape':[2],'data_offsets':[0,8]}}|tensor a has no valid dtype",
                "{'a':{'dtype':'F32','data_offsets':[0,8]}}|tensor a has no valid shape",
                "{'a':{'dtype':'F32','shape':2,'data_offsets':[0,8]}}|tensor a has no valid shape",
                "{'a':{'dtype':'F32','shape':[-2],'data_offsets':[0,8]}}|tensor a has -2 in its shape",
                "{'a':{'dtype':'F32','shape':[2.5],'data_offsets':[0,8]}}|tensor a has 2.5 in its shape",
                "{'a':{'dtype':'F32','shape':['2'],'data_offsets':[0,8]}}|in its shape, which must be whole numbers",
                "{'a':{'dtype':'F32','shape':[99999999999999999999],'data_offsets':[0,8]}}|tensor a has 99999999999999999999 in its shape",
                "{'a':{'dtype':'F32','shape':[4294967296,4294967296],'data_offsets':[0,8]}}|tensor a has the shape [4294967296, 4294967296], which is too large",
                "{'a':{'dtype':'F32','shape':[9223372036854775807],'data_offsets':[0,8]}}|which is too large",
                "{'a':{'dtype':'F32','shape':[2]}}|tensor a has no valid data_offsets",
                "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0]}}|tensor a has the data_offsets [0], but there are 8 bytes",
                "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,4,8]}}|tensor a has the data_offsets [0, 4, 8]",
                "{'a':{'dtype':'F32','shape':[2],'data_offsets':[-8,0]}}|tensor a has -8 in its data_offsets",
                "{'a':{'dtype':'F32','shape':[2],'data_offsets':[8,0]}}|tensor a has the data_offsets [8, 0]",
                "{'a':{'dtype':'F32','shape':[2],'data_offsets':[8,16]}}|tensor a has the data_offsets [8, 16], but there are 8 bytes of data: the file is truncated or damaged",
                "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,9223372036854775807]}}|but there are 8 bytes of data",
                "{'a':{'dtype':'F32','shape':[3],'data_offsets':[0,8]}}|tensor a of F32 [3] needs 12 bytes, but its data_offsets span 8",
                "{'a':{'dtype':'BF16','shape':[2],'data_offsets':[0,8]}}|tensor a of BF16 [2] needs 4 bytes, but its data_offsets span 8",
                "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]},'b':{'dtype':'F32','shape':[1],'data_offsets':[4,8]}}|the data of the tensors a and b overlap",
                "{'a':{'dtype':'F32','shape':[1],'data_offsets':[4,8]}}|4 bytes between the header and tensor a belong to no tensor",
                "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}}|the last 4 bytes of the file belong to no tensor",
                "{}|the last 8 bytes of the file belong to no tensor",
            })
    void refusesALyingHeader(String header, String message) {
        assertThatThrownBy(() -> read(SafetensorsWriter.file(header.replace('\'', '"'), new byte[8])))
                .isInstanceOf(ModelException.class)
                .hasMessageStartingWith("dir/x.safetensors: ")
                .hasMessageContaining(message);
    }

    @Test
    void quotesNoControlCharactersAndNoEndlessNames() {
        String evil = "{\"a\\u001b[31m\\n\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}";
        assertThatThrownBy(() -> read(SafetensorsWriter.file(evil, new byte[8])))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("tensor a?[31m? of F32");
        String endless = "{\"" + "n".repeat(600) + "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
        assertThatThrownBy(() -> read(SafetensorsWriter.file(endless, new byte[8])))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("and has 600 characters, more than 512");
    }

    @Test
    void refusesDeeplyNestedJson() {
        byte[] file = SafetensorsWriter.file("{\"a\":" + "[".repeat(100_000), new byte[0]);
        assertThatThrownBy(() -> read(file))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("the header is no valid JSON");
    }

    private static Map<String, StoredTensor> read(byte[] file) {
        return SafetensorsFile.read("dir/x.safetensors", MemorySegment.ofArray(file));
    }
}
