package io.github.sparkmixtral.job.model;

import io.github.sparkmixtral.file.ModelException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** The proxy that the variables {@code https_proxy}, {@code http_proxy} and {@code no_proxy} name, which the JDK does not read. */
final class EnvironmentProxy extends ProxySelector {
    private final Map<String, String> environment;

    private EnvironmentProxy(Map<String, String> environment) {
        this.environment = environment;
    }

    /** The JDK's own where its system properties name one, or the environment names none. */
    static ProxySelector of(Map<String, String> environment) {
        boolean properties = Stream.of("https.proxyHost", "http.proxyHost", "socksProxyHost")
                .anyMatch(System.getProperties()::containsKey);
        EnvironmentProxy own = new EnvironmentProxy(environment);
        boolean variables = Stream.of("https", "http")
                .anyMatch(scheme -> own.address(scheme).isPresent());
        return properties || !variables ? ProxySelector.getDefault() : own;
    }

    private Optional<String> value(String name) {
        return Stream.of(name, name.toUpperCase(Locale.ROOT))
                .map(environment::get)
                .filter(value -> value != null && !value.isBlank())
                .map(String::strip)
                .findFirst();
    }

    private Optional<InetSocketAddress> address(String scheme) {
        return value(scheme + "_proxy").map(text -> {
            try {
                URI uri = URI.create(text.contains("://") ? text : "http://" + text);
                if (uri.getHost() != null && uri.getRawUserInfo() == null) {
                    return new InetSocketAddress(uri.getHost(), uri.getPort() < 0 ? 80 : uri.getPort());
                }
            } catch (IllegalArgumentException e) {
                // Is told below, without what it says: it may quote a password.
            }
            throw new ModelException(
                    scheme + "_proxy is no address such as http://proxy:3128; one with a password is not read:"
                            + " set another, or Java's " + scheme + ".proxyHost");
        });
    }

    @Override
    public List<Proxy> select(URI uri) {
        Optional<InetSocketAddress> address = address(uri.getScheme());
        return address.isEmpty() || isExcepted(uri.getHost())
                ? List.of(Proxy.NO_PROXY)
                : List.of(new Proxy(Proxy.Type.HTTP, address.get()));
    }

    /** Whether {@code no_proxy} has the host or a domain that it is in. */
    private boolean isExcepted(String host) {
        return Stream.of(value("no_proxy").orElse("").split(","))
                .map(String::strip)
                .filter(name -> !name.isEmpty())
                .anyMatch(name -> name.equals("*")
                        || host.equalsIgnoreCase(name)
                        || host.toLowerCase(Locale.ROOT)
                                .endsWith(
                                        "." + name.replaceFirst("^\\*?\\.", "").toLowerCase(Locale.ROOT)));
    }

    @Override
    public void connectFailed(URI uri, SocketAddress address, IOException failure) {
        // Whoever asked is told.
    }
}
