package io.github.sparkmixtral.safetensors;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.StoredTensor;
import io.github.sparkmixtral.testkit.SafetensorsWriter;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsDirectoryTest {
    private final Map<String, byte[]> files = new HashMap<>();

    SafetensorsDirectoryTest() {
        files.put("one.safetensors", shard("a", 1));
        files.put("two.safetensors", shard("b", 2));
    }

    @Test
    void readsShards() {
        index("{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}");
        Map<String, StoredTensor> tensors = read().orElseThrow();
        assertThat(tensors).containsOnlyKeys("a", "b");
        assertThat(tensors.get("b").file()).isEqualTo("dir/two.safetensors");
        assertThat(tensors.get("b").data().get(JAVA_BYTE, 0)).isEqualTo((byte) 2);
    }

    @Test
    void prefersTheSingleFile() {
        index("{\"weight_map\":{\"a\":\"one.safetensors\"}}");
        files.put("model.safetensors", shard("c", 3));
        assertThat(read().orElseThrow()).containsOnlyKeys("c");
    }

    @Test
    void isEmptyWithoutEither() {
        assertThat(read()).isEmpty();
    }

    @Test
    void namesMissingShards() {
        index("{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"lost-2.safetensors\",\"c\":\"lost-1.safetensors\"}}");
        assertThatThrownBy(this::read)
                .isInstanceOf(ModelException.class)
                .hasMessage(
                        "dir lacks 2 of the 3 files that model.safetensors.index.json names: lost-1.safetensors, lost-2.safetensors; fetch them");
    }

    @Test
    void namesATensorThatIsNotInItsShard() {
        index("{\"weight_map\":{\"a\":\"two.safetensors\"}}");
        assertThatThrownBy(this::read)
                .isInstanceOf(ModelException.class)
                .hasMessage(
                        "dir/two.safetensors has no tensor a, which model.safetensors.index.json says it has; fetch both files again");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../one.safetensors",
                "/etc/one.safetensors",
                "sub/one.safetensors",
                "..\\\\one.safetensors",
                "..",
                "",
                ".hidden.safetensors",
                "one.bin",
                "one\\u0000.safetensors"
            })
    void refusesAShardOutsideOfTheDirectory(String name) {
        index("{\"weight_map\":{\"a\":\"" + name + "\"}}");
        assertThatThrownBy(this::read)
                .isInstanceOf(ModelException.class)
                .hasMessageStartingWith("dir/model.safetensors.index.json: the weight_map puts a into ")
                .hasMessageEndingWith("which is no name of a .safetensors file in the same directory");
    }

    @ParameterizedTest
    @ValueSource(strings = {"{}", "{\"weight_map\":null}", "{\"weight_map\":[]}"})
    void refusesAnIndexWithoutAWeightMap(String json) {
        index(json);
        assertThatThrownBy(this::read)
                .isInstanceOf(ModelException.class)
                .hasMessage("dir/model.safetensors.index.json has no weight_map");
    }

    @Test
    void refusesATensorWithTwoShards() {
        index("{\"weight_map\":{\"a\":\"one.safetensors\",\"a\":\"two.safetensors\"}}");
        assertThatThrownBy(this::read)
                .isInstanceOf(ModelException.class)
                .hasMessageStartingWith("dir/model.safetensors.index.json is no valid JSON: Duplicate field 'a'");
    }

    @Test
    void refusesAShardThatIsNoName() {
        index("{\"weight_map\":{\"a\":7}}");
        assertThatThrownBy(this::read)
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("the weight_map puts a into 7, which is no name");
    }

    private void index(String json) {
        files.put("model.safetensors.index.json", json.getBytes(StandardCharsets.UTF_8));
    }

    private Optional<Map<String, StoredTensor>> read() {
        return SafetensorsDirectory.read(
                "dir", name -> Optional.ofNullable(files.get(name)).map(MemorySegment::ofArray));
    }

    private static byte[] shard(String name, int value) {
        return new SafetensorsWriter()
                .tensor(name, "F16", new byte[] {(byte) value, 0}, 1)
                .build();
    }
}
