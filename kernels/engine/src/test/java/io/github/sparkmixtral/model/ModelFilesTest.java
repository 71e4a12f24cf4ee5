package io.github.sparkmixtral.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.ModelFiles.Layout;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ModelFilesTest {

    private static ModelFiles ofDirectory(String... names) {
        return ModelFiles.ofDirectory("dir", List.of(names));
    }

    @Test
    void huggingFaceLayoutLeavesOtherCopiesOfTheWeightsAlone() {
        ModelFiles files = ofDirectory(
                "tokenizer.model",
                "tokenizer.model.v3",
                "config.json",
                "model-00001-of-00001.safetensors",
                "pytorch_model.bin",
                "README.md",
                ".cache.json",
                "model.safetensors.part");
        assertThat(files.layout()).isEqualTo(Layout.HUGGING_FACE);
        assertThat(files.names())
                .containsExactly(
                        "config.json", "model-00001-of-00001.safetensors", "tokenizer.model", "tokenizer.model.v3");
        assertThat(files.notes()).isEmpty();
    }

    @Test
    void mistralsLayoutIsTakenIfThereIsNoOther() {
        ModelFiles files = ofDirectory(
                "params.json", "consolidated-00001-of-00002.safetensors", "tokenizer.model.v3", "a.gguf", "RELEASE");
        assertThat(files.layout()).isEqualTo(Layout.MISTRAL);
        assertThat(files.names())
                .containsExactly("consolidated-00001-of-00002.safetensors", "params.json", "tokenizer.model.v3");
        assertThat(ofDirectory("params.json", "consolidated.safetensors", "config.json", "model.safetensors.index.json")
                        .layout())
                .isEqualTo(Layout.HUGGING_FACE);
    }

    @Test
    void partsOfASplitModelAreOneModel() {
        ModelFiles files = ofDirectory("m-00002-of-00002.gguf", "m-00001-of-00002.gguf", "config.json", "imatrix.gguf");
        assertThat(files.layout()).isEqualTo(Layout.GGUF);
        assertThat(files.names()).containsExactly("m-00001-of-00002.gguf", "m-00002-of-00002.gguf");
        assertThat(ModelFiles.ofFile(
                                "dir",
                                "m-00002-of-00002.gguf",
                                List.of("m-00001-of-00003.gguf", "m-00001-of-00002.gguf", "m.gguf"))
                        .names())
                .containsExactly("m-00001-of-00002.gguf");
        assertThat(ModelFiles.ofFile("dir", "m.gguf", List.of("m.gguf", "n.gguf"))
                        .names())
                .containsExactly("m.gguf");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "a-00001-of-00002.gguf b.gguf|dir holds 2 GGUF models: name one of them: a-00001-of-00002.gguf, b.gguf",
                "config.json pytorch_model-00001-of-00002.bin|dir has its weights in pytorch_model-00001-of-00002.bin, which is PyTorch's format and is not read; take the model as safetensors, or convert it (transformers: from_pretrained, then save_pretrained)",
                "config.json pytorch_model.bin.index.json|dir has its weights in pytorch_model.bin.index.json, which is PyTorch's format",
                "params.json consolidated.00.pth|dir has its weights in consolidated.00.pth, which is PyTorch's format",
                "config.json model.safetensors.incomplete|dir holds a download that is not finished (model.safetensors.incomplete), and no whole model; finish it",
                "m.gguf.part|dir holds a download that is not finished (m.gguf.part), and no whole model; finish it",
                "m.gguf-split-a m.gguf-split-b|dir/m.gguf-split-a is a piece of a file that was cut; join all of its pieces in their order into m.gguf (cat), and name that",
                "m.gguf.part1of2|dir/m.gguf.part1of2 is a piece of a file that was cut",
                "model.safetensors|dir has weights, but neither config.json nor params.json; fetch the model's other files",
                "consolidated.safetensors|dir has weights, but neither config.json nor params.json",
                "params.json|dir has params.json, but no consolidated.safetensors; fetch the model's weights",
                "config.json adapter_config.json adapter_model.safetensors|dir holds a LoRA adapter and no model: merge it into its model (peft: merge_and_unload), and name that",
                "README.md|dir holds no model: neither safetensors with config.json or params.json nor a .gguf file",
            })
    void saysWhatADirectoryLacks(String names, String message) {
        assertThatThrownBy(() -> ofDirectory(names.split(" ")))
                .isInstanceOf(ModelException.class)
                .hasMessageStartingWith(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "model.safetensors|is only one file of a model: name the directory that holds it, config.json and the tokenizer",
                "config.json|is only one file of a model",
                "tokenizer.model|is only one file of a model",
                "consolidated.00.pth|is a file of PyTorch's format, which is not read; take the model as safetensors or GGUF",
                "m.gguf-split-b|is a piece of a file that was cut",
            })
    void saysWhatAFileIs(String name, String message) {
        assertThatThrownBy(() -> ModelFiles.ofFile("dir", name, List.of(name)))
                .isInstanceOf(ModelException.class)
                .hasMessageStartingWith("dir/" + name + " " + message);
    }
}
