package io.github.sparkmixtral.job.model;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.job.fault.RootCause;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Asks the Hub for models' lists of files and for their bytes. What cannot get better is a {@link ModelException}, what may
 * an {@link IOException}.
 */
final class HubClient implements AutoCloseable {
    private static final int MOST_REDIRECTS = 10;
    private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);

    /** More than the list of files of any model takes. */
    private static final int LONGEST_LIST = 64 << 20;

    /** The limits of the Hub are for five minutes; a server that wants more patience does not get it. */
    private static final Duration LONGEST_WAIT = Duration.ofMinutes(10);

    private final HubSettings settings;
    private final HttpClient http;

    HubClient(HubSettings settings, ProxySelector proxy) {
        this.settings = settings;
        this.http = HttpClient.newBuilder()
                // Redirects are followed here: the token is for the first host only.
                .followRedirects(HttpClient.Redirect.NEVER)
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(settings.timeout())
                .proxy(proxy)
                .build();
    }

    /** The repository at the model's revision, as the API describes it in JSON. */
    byte[] list(HubModel model) throws IOException {
        String path = "/api/models/" + model.id() + "/revision/" + HubModel.encoded(model.revisionOrMain());
        try (InputStream in = get(model, URI.create(settings.endpoint() + path + "?blobs=true"), null, "")
                .body()) {
            byte[] list = in.readNBytes(LONGEST_LIST + 1);
            if (list.length > LONGEST_LIST) {
                throw new ModelException("the list of files that "
                        + settings.endpoint().getHost() + " gives of " + model.id() + " has no end: check HF_ENDPOINT");
            }
            return list;
        }
    }

    /**
     * The bytes of a file.
     *
     * @param last the last one wanted; negative for all to the end
     */
    InputStream open(HubModel model, String file, long first, long last) throws IOException {
        String path = Arrays.stream(file.split("/")).map(HubModel::encoded).collect(Collectors.joining("/"));
        URI uri = URI.create(settings.endpoint() + "/" + model.id() + "/resolve/"
                + HubModel.encoded(model.revisionOrMain()) + "/" + path);
        String range = "bytes=" + first + "-" + (last < 0 ? "" : last);
        HttpResponse<InputStream> response = get(model, uri, first == 0 && last < 0 ? null : range, file);
        if (response.statusCode() == 206) {
            String given = response.headers().firstValue("Content-Range").orElse("");
            if (!given.startsWith("bytes " + first + "-")) {
                response.body().close();
                throw new IOException(response.uri().getHost() + " gave other bytes than those asked for: " + given);
            }
        } else {
            response.body().skipNBytes(first);
        }
        return response.body();
    }

    private HttpResponse<InputStream> get(HubModel model, URI uri, String range, String file) throws IOException {
        URI at = uri;
        for (int i = 0; i <= MOST_REDIRECTS; i++) {
            HttpRequest.Builder request = HttpRequest.newBuilder(at)
                    .timeout(settings.timeout())
                    .header("User-Agent", "spark-mixtral")
                    // A compressed body has other bytes, and other ranges.
                    .header("Accept-Encoding", "identity");
            if (range != null) {
                request.header("Range", range);
            }
            if (isEndpoint(at)) {
                settings.token().ifPresent(token -> request.header("Authorization", "Bearer " + token));
            }
            HttpResponse<InputStream> response = send(request.build());
            int status = response.statusCode();
            if (status == 200 || status == 206) {
                return response;
            }
            response.body().close();
            if (!REDIRECTS.contains(status)) {
                throw refused(model, response, at, file);
            }
            at = redirected(at, response);
        }
        throw new ModelException(settings.endpoint().getHost() + " sends us from one address to the next, more than "
                + MOST_REDIRECTS + " times, for " + model.id() + ": check HF_ENDPOINT");
    }

    private HttpResponse<InputStream> send(HttpRequest request) throws IOException {
        try {
            return http.send(request, _ -> new TimedBody(settings.timeout()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        } catch (HttpTimeoutException e) {
            throw without(
                    e,
                    request.uri().getHost() + " did not answer within "
                            + settings.timeout().toSeconds() + " s");
        } catch (IOException e) {
            throw without(e, request.uri().getHost() + " cannot be reached (" + RootCause.sentence(e) + ")");
        }
    }

    /** Only the host is named: the address of a file server is as good as a key. */
    private static IOException without(IOException cause, String message) {
        IOException told = new IOException(message);
        told.addSuppressed(cause);
        return told;
    }

    private boolean isEndpoint(URI uri) {
        URI endpoint = settings.endpoint();
        return endpoint.getScheme().equalsIgnoreCase(uri.getScheme())
                && endpoint.getHost().equalsIgnoreCase(uri.getHost())
                && port(endpoint) == port(uri);
    }

    private static int port(URI uri) {
        return uri.getPort() >= 0 ? uri.getPort() : Objects.equals(uri.getScheme(), "https") ? 443 : 80;
    }

    private static URI redirected(URI from, HttpResponse<?> response) throws IOException {
        try {
            URI to = from.resolve(response.headers().firstValue("Location").orElseThrow());
            boolean weaker = from.getScheme().equals("https") && !"https".equals(to.getScheme());
            if (to.getHost() != null && !weaker) {
                return to;
            }
        } catch (RuntimeException e) {
            // Is told below, without the address.
        }
        throw new IOException(from.getHost() + " answered " + response.statusCode() + " without a usable address");
    }

    /**
     * What may be asked once more.
     *
     * @throws ModelException where asking again is of no use
     */
    private IOException refused(HubModel model, HttpResponse<?> response, URI at, String file) {
        int status = response.statusCode();
        // A file server refuses addresses that have grown old.
        if (status == 408 || status == 429 || status >= 500 || !isEndpoint(at)) {
            Duration wait = response.headers()
                    .firstValue("Retry-After")
                    .filter(text -> text.matches("\\d{1,9}"))
                    .map(seconds -> Duration.ofSeconds(Long.parseLong(seconds)))
                    .filter(time -> time.compareTo(LONGEST_WAIT) <= 0)
                    .orElse(Duration.ZERO);
            return new BusyException(at.getHost() + " answered " + status, wait);
        }
        throw new ModelException(refusal(
                model, status, response.headers().firstValue("X-Error-Code").orElse(""), file));
    }

    /** @param code one of the Hub's own, which tell more than HTTP's */
    private String refusal(HubModel model, int status, String code, String file) {
        String address = settings.endpoint() + "/" + model.id();
        if (code.equals("GatedRepo") || status == 403) {
            return "the model " + model.id() + " is only for those who accepted its licence: accept the licence at "
                    + address + " and set HF_TOKEN to a token of the same account";
        }
        if (code.equals("RevisionNotFound")) {
            return "no such model or revision: " + address + " has no revision " + model.revisionOrMain();
        }
        if (code.equals("EntryNotFound")) {
            return "no such file: " + address + " has no " + file + " at " + model.revisionOrMain();
        }
        if (status == 401 || status == 404) {
            return "no such model or revision: there is neither a path " + model.id() + " nor a model " + address + "@"
                    + model.revisionOrMain()
                    + (settings.token().isPresent()
                            ? " that the token may read: check the name and HF_TOKEN"
                            : " that anyone may read: check the name, or set HF_TOKEN if the model is private");
        }
        return address + " answered " + status + ": check the name and HF_ENDPOINT";
    }

    @Override
    public void close() {
        http.shutdownNow();
    }
}
