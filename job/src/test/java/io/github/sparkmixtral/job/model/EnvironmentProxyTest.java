package io.github.sparkmixtral.job.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.ProxySelector;
import java.net.URI;
import java.util.Map;
import org.junit.jupiter.api.Test;

class EnvironmentProxyTest {

    @Test
    void variablesNameTheProxy() {
        ProxySelector proxy = EnvironmentProxy.of(
                Map.of("HTTPS_PROXY", "http://proxy:3128/", "no_proxy", "localhost, .corp.example,127.0.0.1"));

        assertThat(selected(proxy, "https://huggingface.co/a"))
                .startsWith("[HTTP @ proxy")
                .endsWith(":3128]");
        assertThat(selected(proxy, "http://huggingface.co/a")).isEqualTo("[DIRECT]");
        assertThat(selected(proxy, "https://hub.corp.example/a")).isEqualTo("[DIRECT]");
        assertThat(selected(proxy, "https://notcorp.example/a")).startsWith("[HTTP");
        assertThat(EnvironmentProxy.of(Map.of("no_proxy", "*"))).isSameAs(ProxySelector.getDefault());
        assertThatThrownBy(() -> EnvironmentProxy.of(Map.of("https_proxy", "http://me:secret@proxy:1")))
                .hasMessageStartingWith("https_proxy is no address such as http://proxy:3128")
                .hasMessageNotContaining("secret");
    }

    private static String selected(ProxySelector proxy, String uri) {
        return proxy.select(URI.create(uri)).toString();
    }
}
