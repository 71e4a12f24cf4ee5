package io.github.sparkmixtral.job.model;

import io.github.sparkmixtral.file.ModelException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;

/**
 * How the Hugging Face Hub is asked: by the environment variables that Hugging Face's own tools know.
 *
 * @param endpoint without a slash at its end
 * @param token never told to anyone but the endpoint
 * @param offline nothing is asked
 * @param hubCache where Hugging Face's own tools keep what they fetched
 * @param timeout for connecting, for an answer, and for the next bytes of one
 */
record HubSettings(URI endpoint, Optional<String> token, boolean offline, Path hubCache, Duration timeout) {
    private static final String PREFIX = "spark-mixtral.hub.";
    private static final String ENDPOINT = PREFIX + "endpoint";
    private static final String TOKEN = PREFIX + "token";
    private static final String OFFLINE = PREFIX + "offline";
    private static final String DEFAULT_TIMEOUT = "30";

    /**
     * The settings of this host.
     *
     * @param configuration holds those that the driver has {@link #sent}: its endpoint counts, its token where this host has none
     * @throws ModelException where one is wrong
     */
    static HubSettings of(Map<String, String> environment, Configuration configuration) {
        Path home = first(environment, "HF_HOME")
                .map(Path::of)
                .orElseGet(() -> first(environment, "XDG_CACHE_HOME")
                        .map(Path::of)
                        .orElseGet(() ->
                                Path.of(environment.getOrDefault("HOME", System.getProperty("user.home")), ".cache"))
                        .resolve("huggingface"));
        Optional<String> token = first(environment, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
                .or(() ->
                        inFile(first(environment, "HF_TOKEN_PATH").map(Path::of).orElse(home.resolve("token"))))
                .or(() -> Optional.ofNullable(configuration.get(TOKEN)));
        if (token.isPresent() && !token.get().matches("[\\x21-\\x7e]+")) {
            throw new ModelException("the token for the Hugging Face Hub holds a blank or a sign that no token has:"
                    + " set HF_TOKEN, or the file " + home.resolve("token") + ", to the token alone");
        }
        return new HubSettings(
                endpoint(configuration.get(
                        ENDPOINT, first(environment, "HF_ENDPOINT").orElse("https://huggingface.co"))),
                token,
                configuration.getBoolean(OFFLINE, false) || isOn(environment, "HF_HUB_OFFLINE"),
                first(environment, "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
                        .map(Path::of)
                        .orElse(home.resolve("hub")),
                timeout(first(environment, "HF_HUB_DOWNLOAD_TIMEOUT").orElse(DEFAULT_TIMEOUT)));
    }

    /**
     * What the executors need of the driver's settings, in a copy that goes to them inside of their tasks: Spark shows neither
     * those nor the copy anywhere, as it does its own settings and the environment that it hands on.
     *
     * @param model of which the job is; only one of the Hub needs them
     */
    static Configuration sent(String model, Map<String, String> environment, Configuration configuration) {
        if (!HubModel.isExplicit(model)) {
            return configuration;
        }
        HubSettings settings = of(environment, configuration);
        Configuration copy = new Configuration(configuration);
        copy.set(ENDPOINT, settings.endpoint.toString());
        copy.setBoolean(OFFLINE, settings.offline);
        settings.token.ifPresent(token -> copy.set(TOKEN, token));
        return copy;
    }

    private static Optional<String> first(Map<String, String> environment, String... names) {
        return Stream.of(names)
                .map(environment::get)
                .filter(value -> value != null && !value.isBlank())
                .map(String::strip)
                .findFirst();
    }

    private static boolean isOn(Map<String, String> environment, String name) {
        return List.of("1", "on", "yes", "true")
                .contains(environment.getOrDefault(name, "").strip().toLowerCase(Locale.ROOT));
    }

    private static Optional<String> inFile(Path file) {
        try {
            return Files.isRegularFile(file)
                    ? Optional.of(Files.readString(file).strip()).filter(text -> !text.isEmpty())
                    : Optional.empty();
        } catch (IOException e) {
            throw new ModelException("the token for the Hugging Face Hub cannot be read from " + file, e);
        }
    }

    private static URI endpoint(String text) {
        try {
            URI endpoint = URI.create(text.replaceAll("/+$", ""));
            if (endpoint.getHost() != null
                    && endpoint.getRawUserInfo() == null
                    && List.of("http", "https").contains(endpoint.getScheme())) {
                return endpoint;
            }
        } catch (IllegalArgumentException e) {
            // Is told below, without what it says: it may quote a password.
        }
        throw new ModelException("HF_ENDPOINT is no address such as https://huggingface.co: set it to one");
    }

    private static Duration timeout(String seconds) {
        if (!seconds.matches("[1-9]\\d{0,5}")) {
            throw new ModelException("HF_HUB_DOWNLOAD_TIMEOUT must be a whole number of seconds, not " + seconds);
        }
        return Duration.ofSeconds(Long.parseLong(seconds));
    }

    @Override
    public String toString() {
        return "HubSettings[" + endpoint + "]";
    }
}
