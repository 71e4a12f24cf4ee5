package io.github.sparkmixtral.job.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.Quantization;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HubTest {
    private static final String MODEL = "hf://tests/tiny";
    private static final String PINNED = MODEL + "@" + HubServer.COMMIT;
    private static final String WRONG = "0".repeat(64);

    @TempDir
    private Path directory;

    private final HubServer hub = new HubServer();
    private final List<String> progress = Collections.synchronizedList(new ArrayList<>());
    private final List<Duration> pauses = Collections.synchronizedList(new ArrayList<>());
    private final Map<String, String> environment = new HashMap<>();
    private final byte[] weights = new byte[3 << 20];

    @BeforeEach
    void configure() {
        new Random(1).nextBytes(weights);
        environment.put("HF_ENDPOINT", hub.endpoint());
        environment.put("HF_HOME", directory.resolve("hf").toString());
    }

    @AfterEach
    void close() {
        hub.close();
        assertThat(hub.tokensAtTheStore).isEmpty();
        assertThat(progress.toString()).doesNotContain(HubServer.TOKEN, "Signature");
    }

    private ModelCache cache() {
        return new ModelCache(directory.resolve("cache"), new Configuration(), progress::add, pauses::add, environment);
    }

    private void put(String path, byte[] content) throws IOException {
        Path file = directory.resolve("remote").resolve(path);
        Files.createDirectories(file.getParent());
        hub.put(path, Files.write(file, content));
    }

    private void put(String path, String content) throws IOException {
        put(path, content.getBytes());
    }

    private void putDirectory() throws IOException {
        put("config.json", "{}");
        put("tokenizer.model", "words");
        put("chat_template.jinja", "{{ messages }}");
        put("model.safetensors.index.json", """
                {"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}""");
        put("model-00001-of-00002.safetensors", weights);
        put("model-00002-of-00002.safetensors", "few");
        for (String other : List.of(
                "consolidated.00.safetensors",
                "adapter.safetensors",
                "pytorch_model.bin",
                "model.onnx",
                "README.md",
                "original/config.json",
                "params.json",
                ".gitattributes",
                "Q4/small.gguf")) {
            put(other, weights);
        }
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private void assertFails(String model, String message) {
        assertThatThrownBy(() -> cache().localPath(model))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining(message.replace("ADDRESS", hub.endpoint()))
                .hasMessageNotContainingAny(HubServer.TOKEN, "Signature");
    }

    @Test
    void ofARepositoryOnlyTheModelIsFetchedAndOnlyOnce() throws IOException {
        putDirectory();

        Path path = cache().localPath(MODEL);

        assertThat(names(path))
                .containsExactly(
                        "chat_template.jinja",
                        "config.json",
                        "model-00001-of-00002.safetensors",
                        "model-00002-of-00002.safetensors",
                        "model.safetensors.index.json",
                        "tokenizer.model");
        assertThat(path.resolve("model-00001-of-00002.safetensors")).hasBinaryContent(weights);
        assertThat(path.getFileName().toString()).startsWith("tiny@" + HubServer.COMMIT);
        hub.sent.forEach((file, bytes) ->
                assertThat(directory.resolve("remote").resolve(file)).hasSize(bytes.get()));
        assertThat(hub.sent).hasSize(6);

        hub.requests.clear();
        assertThat(cache().localPath(PINNED)).isEqualTo(path);
        assertThat(hub.requests).isEmpty();
    }

    @Test
    void branchIsACommitFromThenOn() throws IOException {
        put("a.gguf", weights);
        String pinned = cache().pinned(MODEL + "@v1");
        assertThat(pinned).isEqualTo(PINNED + "/a.gguf");
        Path path = cache().localPath(pinned);
        String digest = ModelDigest.of(pinned, new Configuration());

        hub.move("f".repeat(40));
        String moved = cache().pinned(MODEL + "@v1");

        assertThat(moved).isEqualTo(MODEL + "@" + "f".repeat(40) + "/a.gguf");
        assertThat(cache().localPath(pinned)).isEqualTo(path).hasBinaryContent(weights);
        assertThat(cache().localPath(moved)).isNotEqualTo(path).hasBinaryContent(weights);
        assertThat(ModelDigest.of(moved, new Configuration())).isNotEqualTo(digest);
        assertThat(cache().pinned("s3a://bucket/model.gguf")).isEqualTo("s3a://bucket/model.gguf");
    }

    @Test
    void driverReadsHeads() throws IOException {
        Path model = directory.resolve("mixtral.gguf");
        SparseMixtral.writeGguf(model, 90L << 30);
        hub.put("mixtral.gguf", model, WRONG);

        ModelDescription description = cache().describe(MODEL, Quantization.NONE);

        assertThat(description.parameters())
                .isEqualTo(ModelLoader.describe(model).parameters());
        assertThat(hub.sent()).isBetween(6L << 20, 13L << 20);
    }

    @Test
    void driverReadsTheHeadsOfADirectory() throws IOException {
        Path model = directory.resolve("mixtral");
        SparseMixtral.writeDirectory(model);
        for (String name : names(model)) {
            hub.put(
                    name,
                    model.resolve(name),
                    name.endsWith(".json") ? HubServer.git(Files.readAllBytes(model.resolve(name))) : WRONG);
        }

        ModelDescription description = cache().describe(MODEL, Quantization.NONE);

        assertThat(description.parameters())
                .isEqualTo(ModelLoader.describe(model).parameters());
        assertThat(hub.sent()).isLessThan(2 << 20);
        hub.sent.forEach((file, bytes) -> assertThat(bytes.get())
                .isLessThanOrEqualTo(model.resolve(file).toFile().length()));
    }

    @Test
    void brokenDownloadGoesOnWhereItWas() throws IOException {
        put("a.gguf", weights);
        hub.breaks.addAll(List.of(1L << 20, 1L << 20));

        assertThat(cache().localPath(MODEL)).hasBinaryContent(weights);

        // What was on its way when the connection broke off may have been lost.
        assertThat(hub.sent()).isBetween((long) weights.length, weights.length + (2L << 20));
        assertThat(progress).anyMatch(line -> line.startsWith("going on with hf://tests/tiny@"));
        assertThat(pauses).hasSize(2);
    }

    @Test
    void nextProcessGoesOnWhereTheLastOneWas() throws IOException {
        put("a.gguf", weights);
        Path here = cache().localPath(MODEL);
        Files.delete(here);
        Files.write(Path.of(here + ".part"), java.util.Arrays.copyOf(weights, 2 << 20));
        hub.sent.clear();

        assertThat(cache().localPath(MODEL)).hasBinaryContent(weights);

        assertThat(hub.sent()).isEqualTo(1 << 20);
    }

    @Test
    void stalledDownloadIsTakenUpAgain() throws IOException {
        environment.put("HF_HUB_DOWNLOAD_TIMEOUT", "1");
        put("a.gguf", weights);
        hub.stalls.add(1L << 20);

        assertThat(cache().localPath(MODEL)).hasBinaryContent(weights);

        assertThat(hub.sent()).isEqualTo(weights.length);
        assertThat(progress).anyMatch(line -> line.contains("broke off (no bytes came for 1 s): going on in"));
    }

    @Test
    void busyHubIsAskedLaterAsItWants() throws IOException {
        put("a.gguf", weights);
        hub.refusals.addAll(List.of(Map.entry(429, "30"), Map.entry(500, ""), Map.entry(503, "99999999")));

        assertThat(cache().localPath(MODEL)).hasBinaryContent(weights);

        assertThat(pauses).hasSize(3);
        assertThat(pauses.get(0)).isEqualTo(Duration.ofSeconds(30));
        assertThat(pauses.get(1)).isBetween(Duration.ofMillis(1500), Duration.ofMillis(2500));
        assertThat(pauses.get(2)).isBetween(Duration.ofMillis(3000), Duration.ofMillis(5000));
        assertThat(progress).anyMatch(line -> line.contains("broke off (127.0.0.1 answered 429): going on in 30.0 s"));

        hub.refusals.addAll(Collections.nCopies(4, Map.entry(502, "")));
        assertFails(MODEL, "the model hf://tests/tiny cannot be fetched: 127.0.0.1 answered 502");
        hub.refusals.add(Map.entry(400, ""));
        assertFails(MODEL, "ADDRESS/tests/tiny answered 400: check the name and HF_ENDPOINT");
    }

    @Test
    void redirectsAreFollowedAsFarAsIsSafe() throws IOException {
        put("a.gguf", weights);
        hub.wanted = HubServer.TOKEN;
        environment.put("HF_TOKEN", HubServer.TOKEN);
        hub.redirects.addAll(List.of(
                "/api/models/tests/tiny/revision/main?blobs=true",
                "",
                "/tests/tiny/resolve/" + HubServer.COMMIT + "/a.gguf"));
        assertThat(cache().localPath("hf://tests/renamed")).hasBinaryContent(weights);

        hub.redirects.addAll(Collections.nCopies(4, "file:///etc/passwd"));
        assertFails(MODEL, "cannot be fetched: 127.0.0.1 answered 307 without a usable address");
        hub.redirects.addAll(Collections.nCopies(20, "/api/models/tests/tiny/revision/main"));
        assertFails(MODEL, "127.0.0.1 sends us from one address to the next, more than 10 times, for tests/tiny");
    }

    @Test
    void wrongBytesAreRemovedAndNamed() throws IOException {
        Path large = Files.write(directory.resolve("a"), weights);
        hub.put("a.gguf", large, WRONG);
        assertFails(MODEL, "hf://tests/tiny@" + HubServer.COMMIT + "/a.gguf has the SHA-256 ");
        assertThat(names(directory
                        .resolve("cache")
                        .resolve(names(directory.resolve("cache")).getFirst())))
                .isEmpty();

        hub.move("e".repeat(40));
        put("config.json", "{}");
        put("model.safetensors", weights);
        put("tokenizer.json", "right");
        Files.writeString(directory.resolve("remote/tokenizer.json"), "wrong");
        assertFails(
                MODEL,
                "/tokenizer.json has the git SHA-1 " + HubServer.git("wrong".getBytes()) + " instead of "
                        + HubServer.git("right".getBytes()));
    }

    @Test
    void manyAskersFetchOnce() throws Exception {
        put("a.gguf", weights);
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            Callable<Path> asker = () -> cache().localPath(PINNED);
            List<Future<Path>> paths = threads.invokeAll(Collections.nCopies(4, asker));
            for (Future<Path> path : paths) {
                assertThat(path.get()).hasBinaryContent(weights);
            }
        }
        assertThat(hub.sent()).isEqualTo(weights.length);
    }

    @Test
    void modelIsChosenAmongGgufFiles() throws IOException {
        put("m.Q4_K_M.gguf", weights);
        assertThat(cache().pinned(MODEL)).isEqualTo(PINNED + "/m.Q4_K_M.gguf");

        put("big files/m.Q8_0-00001-of-00002.gguf", weights);
        put("big files/m.Q8_0-00002-of-00002.gguf", "end");
        environment.put("HF_HOME", directory.resolve("other").toString());
        hub.move("d".repeat(40));
        assertFails(
                MODEL,
                "hf://tests/tiny@" + "d".repeat(40)
                        + " has 2 models: big files/m.Q8_0-00001-of-00002.gguf (3.1 MB), m.Q4_K_M.gguf (3.1 MB): name one, such as"
                        + " --model hf:tests/tiny/m.Q4_K_M.gguf");
        Path second = cache().localPath(MODEL + "/big files/m.Q8_0-00002-of-00002.gguf");
        assertThat(second).hasFileName("m.Q8_0-00001-of-00002.gguf").hasBinaryContent(weights);
        assertThat(second.resolveSibling("m.Q8_0-00002-of-00002.gguf")).hasContent("end");
        assertThat(names(second.getParent())).hasSize(2);
        assertFails(
                MODEL + "/m.Q5_0.gguf",
                "has no m.Q5_0.gguf; it has big files/m.Q8_0-00001-of-00002.gguf (3.1 MB), m.Q4");
    }

    @Test
    void repositoryWithoutAModelSaysWhatItHas() throws IOException {
        put("config.json", "{}");
        put("pytorch_model.bin", weights);
        put("original/consolidated.00.pth", "few");
        assertFails(
                MODEL,
                "has no weights that can be read: neither config.json with model.safetensors or"
                        + " model.safetensors.index.json, nor a GGUF file; its largest files are pytorch_model.bin, ");
        hub.move("c".repeat(40));
        put("model.safetensors.index.json", "{\"weight_map\":{\"a\":\"x.safetensors\"}}");
        assertFails(MODEL, "lacks 1 of the files that its model.safetensors.index.json names, such as x.safetensors");
    }

    @Test
    void whoMayNotReadIsToldWhatToDo() throws IOException {
        put("a.gguf", weights);
        assertFails(
                "hf://tests/none",
                "there is neither a path tests/none nor a model ADDRESS/tests/none@main that anyone may read:"
                        + " check the name, or set HF_TOKEN if the model is private");
        assertFails(MODEL + "@v9", "no such model or revision: ADDRESS/tests/tiny has no revision v9");
        hub.wanted = HubServer.TOKEN;
        assertFails(MODEL, "that anyone may read");
        hub.gated = true;
        assertFails(
                MODEL,
                "the model tests/tiny is only for those who accepted its licence: accept the licence at"
                        + " ADDRESS/tests/tiny and set HF_TOKEN to a token of the same account");
        assertThat(pauses).isEmpty();
        environment.put("HF_TOKEN", HubServer.TOKEN + "\n");
        assertThat(cache().localPath(MODEL)).hasBinaryContent(weights);
        environment.put("HF_TOKEN", HubServer.TOKEN + " and more");
        assertFails(MODEL, "the token for the Hugging Face Hub holds a blank or a sign that no token has");
    }

    @Test
    void tokenOfTheDriverReachesTheExecutorsUnseen() throws IOException {
        put("a.gguf", weights);
        hub.wanted = HubServer.TOKEN;
        Path file = directory.resolve("hf/token");
        Files.createDirectories(file.getParent());
        Files.writeString(file, HubServer.TOKEN + "\n");

        Configuration sent = HubSettings.sent(MODEL, environment, new Configuration());
        Map<String, String> elsewhere =
                Map.of("HF_HOME", directory.resolve("executor").toString());
        ModelCache executor = new ModelCache(directory.resolve("cache"), sent, progress::add, pauses::add, elsewhere);

        assertThat(executor.localPath(PINNED)).hasBinaryContent(weights);
        assertThat(HubSettings.of(environment, sent).toString()).doesNotContain(HubServer.TOKEN);
        Configuration other = new Configuration();
        assertThat(HubSettings.sent("/models/a.gguf", environment, other)).isSameAs(other);
        assertThat(other.getValByRegex("spark-mixtral\\..*")).isEmpty();
    }

    private Path hubCache() throws IOException {
        Path repository = Files.createDirectories(directory.resolve("hf/hub/models--tests--tiny"));
        Path snapshot = Files.createDirectories(repository.resolve("snapshots").resolve(HubServer.COMMIT));
        Files.createDirectories(repository.resolve("refs"));
        Files.writeString(repository.resolve("refs/main"), HubServer.COMMIT);
        Path blob = Files.createDirectories(repository.resolve("blobs")).resolve("blob");
        Files.write(blob, weights);
        return Files.createSymbolicLink(snapshot.resolve("a.gguf"), blob);
    }

    @Test
    void cacheOfHuggingFacesToolsIsUsedInPlace() throws IOException {
        put("a.gguf", weights);
        Path here = hubCache();

        assertThat(cache().localPath(MODEL)).isEqualTo(here);
        assertThat(hub.sent()).isZero();
        Files.write(here, new byte[10]);
        assertThat(cache().localPath(MODEL)).isNotEqualTo(here).hasBinaryContent(weights);
    }

    @Test
    void offlineNothingIsAsked() throws IOException {
        put("a.gguf", weights);
        environment.put("HF_HUB_OFFLINE", "1");
        assertFails(
                MODEL,
                "HF_HUB_OFFLINE is set, and hf://tests/tiny is neither in " + directory.resolve("hf/hub")
                        + "/models--tests--tiny nor in " + directory.resolve("cache/hub"));
        environment.remove("HF_HUB_OFFLINE");
        Path fetched = cache().localPath(MODEL);
        hub.requests.clear();
        environment.put("HF_HUB_OFFLINE", "1");

        assertThat(cache().localPath(MODEL)).isEqualTo(fetched);
        Files.delete(fetched);
        assertFails(MODEL, "HF_HUB_OFFLINE is set, and a.gguf of the model is neither in ");
        Path here = hubCache();
        assertThat(cache().localPath(MODEL)).isEqualTo(here);
        assertThat(cache().pinned(MODEL)).isEqualTo(PINNED + "/a.gguf");
        assertThat(hub.requests).isEmpty();
    }

    @Test
    void directoryIsUsedOfflineToo() throws IOException {
        putDirectory();
        Path fetched = cache().localPath(MODEL);
        hub.requests.clear();
        environment.put("HF_HUB_OFFLINE", "1");
        assertThat(cache().localPath(MODEL)).isEqualTo(fetched);
        assertThat(hub.requests).isEmpty();
    }

    @Test
    void whatIsNoHubIsNamed() {
        environment.put("HF_ENDPOINT", "huggingface.co");
        assertFails(MODEL, "HF_ENDPOINT is no address such as https://huggingface.co");
        environment.put("HF_ENDPOINT", "http://127.0.0.1:1/");
        assertFails(MODEL, "the model hf://tests/tiny cannot be fetched: 127.0.0.1 cannot be reached (");
        assertThat(pauses).hasSize(3);
    }
}
