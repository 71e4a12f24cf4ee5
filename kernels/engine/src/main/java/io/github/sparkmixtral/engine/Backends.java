package io.github.sparkmixtral.engine;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Finds the backends on the class path. */
public final class Backends {

    /** Takes the best available provider. */
    public static final String AUTO = "auto";

    private static final Logger LOG = LoggerFactory.getLogger(Backends.class);

    private Backends() {}

    /**
     * The provider called {@code name}, or for {@code auto} the available one with the highest rank, logging in one line which it is and
     * which were refused. Their reasons are logged for debugging.
     *
     * @throws IllegalArgumentException for an unknown name, listing the known ones
     * @throws IllegalStateException where the named one cannot be used here, with its reason, or for {@code auto} none can
     */
    public static BackendProvider find(String name) {
        return find(name, providers());
    }

    /** All providers, those first that {@code auto} takes first, whether they can be used here or not. */
    public static List<BackendProvider> all() {
        return byRank(providers());
    }

    /** Names that {@link #find} knows, {@code auto} first. */
    public static List<String> names() {
        return names(providers());
    }

    static BackendProvider find(String name, List<BackendProvider> providers) {
        if (name.equals(AUTO)) {
            Choice choice = choose(providers);
            LOG.info("{}", choice.line());
            choice.reasons().forEach(LOG::debug);
            return choice.provider();
        }
        BackendProvider named = providers.stream()
                .filter(provider -> provider.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(
                        "unknown backend '" + name + "'; there are " + String.join(", ", names(providers))));
        named.unavailable().ifPresent(reason -> {
            throw new IllegalStateException("the backend '" + name + "' cannot be used here: " + reason);
        });
        return named;
    }

    /**
     * A provider.
     *
     * @param refused names of those that would have been taken before it
     * @param reasons why, a line for each
     */
    record Choice(BackendProvider provider, List<String> refused, List<String> reasons) {
        /** For the log. */
        String line() {
            return "backend " + provider.name()
                    + (refused.isEmpty()
                            ? ""
                            : "; refused: " + String.join(", ", refused) + " (--backend "
                                    + (refused.size() == 1 ? refused.getFirst() : "with a name") + " says why)");
        }
    }

    static Choice choose(List<BackendProvider> providers) {
        List<String> refused = new ArrayList<>();
        List<String> reasons = new ArrayList<>();
        for (BackendProvider provider : byRank(providers)) {
            Optional<String> reason = provider.unavailable();
            if (reason.isEmpty()) {
                return new Choice(provider, refused, reasons);
            }
            refused.add(provider.name());
            reasons.add(provider.name() + ": " + reason.get());
        }
        throw new IllegalStateException("no backend can be used here: "
                + (reasons.isEmpty() ? "none is on the class path" : String.join("; ", reasons)));
    }

    private static List<String> names(List<BackendProvider> providers) {
        List<String> names = new ArrayList<>(List.of(AUTO));
        byRank(providers).forEach(provider -> names.add(provider.name()));
        return names;
    }

    private static List<BackendProvider> byRank(List<BackendProvider> providers) {
        return providers.stream()
                .sorted(Comparator.comparingInt(BackendProvider::rank)
                        .reversed()
                        .thenComparing(BackendProvider::name))
                .toList();
    }

    private static List<BackendProvider> providers() {
        return ServiceLoader.load(BackendProvider.class, Backends.class.getClassLoader()).stream()
                .map(ServiceLoader.Provider::get)
                .toList();
    }
}
