package io.github.sparkmixtral.job.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.job.fault.JobException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HubModelTest {

    @ParameterizedTest
    @CsvSource({
        "hf:mistralai/Mixtral-8x7B-v0.1, hf://mistralai/Mixtral-8x7B-v0.1",
        "hf://mistralai/Mixtral-8x7B-v0.1/, hf://mistralai/Mixtral-8x7B-v0.1",
        "mistralai/Mixtral-8x7B-v0.1, hf://mistralai/Mixtral-8x7B-v0.1",
        "mistralai/Mixtral-8x7B-v0.1@fp8, hf://mistralai/Mixtral-8x7B-v0.1@fp8",
        "hf:o/n/a--b..c.gguf, hf://o/n/a--b..c.gguf",
        "hf:o/n@refs/pr/3, hf://o/n@refs%2Fpr%2F3",
        "hf:o/n@refs/pr/3/a.gguf, hf://o/n@refs%2Fpr%2F3/a.gguf",
        "hf:o/n/a.gguf@feature/x, hf://o/n@feature%2Fx/a.gguf",
        "hf:o/n/Q4 K/a-00001-of-00002.GGUF, hf://o/n/Q4 K/a-00001-of-00002.GGUF",
        "hf://o/n@v1.0/a.gguf, hf://o/n@v1.0/a.gguf",
        "https://huggingface.co/o/n, hf://o/n",
        "https://huggingface.co/o/n/tree/main, hf://o/n@main",
        "https://hf.co/o/n/blob/refs%2Fpr%2F3/Q4%20K/a.gguf?download=true, hf://o/n@refs%2Fpr%2F3/Q4 K/a.gguf"
    })
    void modelHasOneSpelling(String model, String expected) {
        assertThat(ModelCache.located(model)).isEqualTo(expected);
        assertThat(ModelCache.located(expected)).isEqualTo(expected);
        assertThat(HubModel.parse(expected)).hasToString(expected);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "hf:",
                "hf:Mixtral-8x7B",
                "hf:o/n@",
                "hf:o/n@a@b",
                "hf:o/n@a/b.gguf@c",
                "hf:../n",
                "hf:datasets/o/n.gguf",
                "hf:o/n/model.safetensors",
                "hf:o/n/Q4",
                "hf:o/n/../a.gguf",
                "hf:o/a..b",
                "hf:o/n@feature/x",
                "hf:///o/n"
            })
    void whatIsNoModelIsRefused(String model) {
        assertThatThrownBy(() -> ModelCache.located(model))
                .isInstanceOf(JobException.class)
                .hasMessageStartingWith("--model " + model)
                .hasMessageContaining("hf:owner/name/file.gguf");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"Mixtral-8x7B", "models/mixtral.gguf", "/o/n", "./o/n", "../n", "a/b/c", "o/n o", "~/n", "o/"})
    void whatMayBeAPathIsOne(String model) {
        assertThat(ModelCache.located(model))
                .isEqualTo(Path.of(model).toAbsolutePath().toString());
        assertThatThrownBy(() -> ModelCache.requireLocal(model))
                .hasMessage("no such model: " + model
                        + ": give a path that exists, a URI, or a model of the Hugging Face Hub"
                        + " with its owner, such as mistralai/Mixtral-8x7B-Instruct-v0.1");
    }

    @Test
    void pathThatExistsWins() {
        assertThat(ModelCache.located("src/main"))
                .isEqualTo(Path.of("src/main").toAbsolutePath().toString());
        assertThat(ModelCache.located("s3a://bucket/n")).isEqualTo("s3a://bucket/n");
    }

    @Test
    void nameHasNoRevision() {
        assertThat(ModelCache.withoutRevision("hf://o/n@abc")).isEqualTo("hf://o/n");
        assertThat(ModelCache.withoutRevision("hf://o/n@abc/q/a.gguf")).isEqualTo("hf://o/n/q/a.gguf");
        assertThat(ModelCache.withoutRevision("/models/n@abc")).isEqualTo("/models/n@abc");
    }
}
