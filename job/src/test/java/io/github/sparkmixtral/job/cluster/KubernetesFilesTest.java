package io.github.sparkmixtral.job.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The files of {@code conf/kubernetes} fit each other. No cluster has seen them. */
class KubernetesFilesTest {
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
    private static final Path CONF = ROOT.resolve("conf");

    private static Properties properties(Path file) throws IOException {
        Properties properties = new Properties();
        try (Reader reader = Files.newBufferedReader(file)) {
            properties.load(reader);
        }
        return properties;
    }

    @ParameterizedTest
    @ValueSource(strings = {"driver", "executor"})
    void thePropertiesNameATemplateThatLacksNothing(String role) throws IOException {
        Properties properties = properties(CONF.resolve("kubernetes/spark-kubernetes.conf"));
        String prefix = "spark.kubernetes." + role + ".podTemplate";
        JsonNode pod = new YAMLMapper()
                .readTree(ROOT.resolve(properties.getProperty(prefix + "File")).toFile());

        assertThat(pod.at("/kind").asText()).isEqualTo("Pod");
        JsonNode container = pod.at("/spec/containers/0");
        assertThat(container.at("/name").asText()).isEqualTo(properties.getProperty(prefix + "ContainerName"));
        List<String> volumes = new ArrayList<>();
        pod.at("/spec/volumes").forEach(volume -> volumes.add(volume.at("/name").asText()));
        container
                .at("/volumeMounts")
                .forEach(mount -> assertThat(volumes).contains(mount.at("/name").asText()));
        String command = Files.readString(CONF.resolve("README.md"));
        assertThat(command)
                .contains("--model-cache "
                        + container.at("/volumeMounts/0/mountPath").asText());
        assertThat(pod.at("/spec/securityContext/runAsNonRoot").asBoolean()).isTrue();
        assertThat(Files.readAllLines(CONF.resolve("kubernetes/Containerfile")))
                .contains("USER " + pod.at("/spec/securityContext/runAsUser").asText());
    }

    /** The launcher puts that file before these, and a line here would win over it. */
    @ParameterizedTest
    @ValueSource(strings = {"spark-yarn.conf", "kubernetes/spark-kubernetes.conf"})
    void theJvmsFlagsStandInTheDefaultsAlone(String file) throws IOException {
        assertThat(properties(CONF.resolve(file)).stringPropertyNames())
                .doesNotContainAnyElementsOf(
                        properties(CONF.resolve("spark-defaults.conf")).stringPropertyNames());
    }

    /** And the image is the one that is named, with the discovery script of the properties in it. */
    @Test
    void theImageIsTheOneThatThePropertiesName() throws IOException {
        Properties properties = properties(CONF.resolve("kubernetes/spark-kubernetes.conf"));
        String build = Files.readString(CONF.resolve("kubernetes/Containerfile"));
        assertThat(build)
                .contains(
                        "docker build -t " + properties.getProperty("spark.kubernetes.container.image") + " ",
                        "apache/spark:" + org.apache.spark.package$.MODULE$.SPARK_VERSION(),
                        "COPY conf /opt/spark-mixtral/conf\n");
        assertThat(Files.readString(CONF.resolve("kubernetes/spark-kubernetes.conf")))
                .contains(" /opt/spark-mixtral/conf/getGpusResources.sh\n");
        assertThat(CONF.resolve("getGpusResources.sh")).isExecutable();
    }
}
