package io.github.sparkmixtral.job.model;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A Hugging Face Hub of one model, {@code tests/tiny}, on this machine: the API and small files on one address, large files on
 * another, as the Hub's lie on a content delivery network. It can be slow, busy and wrong.
 */
public final class HubServer implements AutoCloseable {
    public static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";
    public static final String TOKEN = "hf_" + "x".repeat(30);

    private static final JsonMapper JSON = new JsonMapper();
    private static final int LARGE = 4096;

    /** A file, and the hash that the API tells. */
    private record Served(Path file, String hash, boolean large) {}

    private final HttpServer api = start(this::api);
    private final HttpServer store = start(this::store);
    private final Map<String, Served> files = new TreeMap<>();
    private final CountDownLatch closing = new CountDownLatch(1);

    /** Answers before the next ones: a status, and a value of Retry-After or nothing. */
    final Queue<Map.Entry<Integer, String>> refusals = new ConcurrentLinkedDeque<>();

    /** Where the next requests are sent on to; nothing for one that is answered. */
    final Queue<String> redirects = new ConcurrentLinkedDeque<>();

    /** Requests by path, without what goes on between. */
    public final List<String> requests = new CopyOnWriteArrayList<>();

    final List<String> tokensAtTheStore = new CopyOnWriteArrayList<>();
    public final Map<String, AtomicLong> sent = new ConcurrentHashMap<>();

    /** Bytes of a large file after which the connection breaks off, for the next answers. */
    final Queue<Long> breaks = new ArrayDeque<>();

    /** Bytes of a large file after which nothing comes any more, for the next answers. */
    final Queue<Long> stalls = new ArrayDeque<>();

    private final List<String> commits = new CopyOnWriteArrayList<>(List.of(COMMIT));

    /** The token without which nothing is to be had; empty for a public model. */
    public volatile String wanted = "";

    /** Whether files want the token, but not their list. */
    volatile boolean gated;

    private static HttpServer start(HttpHandler handler) {
        try {
            HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            server.createContext("/", handler);
            server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
            server.start();
            return server;
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Moves all branches on to a commit, which holds what the older ones do. */
    public void move(String commit) {
        commits.add(commit);
    }

    public String endpoint() {
        return "http://127.0.0.1:" + api.getAddress().getPort();
    }

    /** Puts a file into the repository; large ones have SHA-256, as in Git LFS, small ones git's own hash. */
    public void put(String path, Path file) throws IOException {
        boolean large = Files.size(file) > LARGE;
        put(path, file, large ? sha256(file) : git(Files.readAllBytes(file)));
    }

    /** With that hash, be it right or wrong. */
    void put(String path, Path file, String hash) {
        files.put(path, new Served(file, hash, hash.length() == 64));
    }

    public long sent() {
        return sent.values().stream().mapToLong(AtomicLong::get).sum();
    }

    private static String sha256(Path file) throws IOException {
        return HexFormat.of().formatHex(ModelCache.sha256().digest(Files.readAllBytes(file)));
    }

    static String git(byte[] content) {
        return HexFormat.of().formatHex(HubFile.Hash.ofGit(content.length).digest(content));
    }

    private void api(HttpExchange exchange) throws IOException {
        try (exchange) {
            String path = exchange.getRequestURI().getPath();
            requests.add(path);
            Map.Entry<Integer, String> refusal = refusals.poll();
            boolean mayRead = wanted.isEmpty() || ("Bearer " + wanted).equals(token(exchange));
            String revision = path.substring(path.lastIndexOf('/') + 1);
            // "", owner, name, "resolve", commit, file
            String[] parts = path.split("/", 6);
            String redirect = redirects.poll();
            if (redirect != null && !redirect.isEmpty()) {
                exchange.getResponseHeaders().set("Location", redirect);
                exchange.sendResponseHeaders(307, -1);
            } else if (refusal != null) {
                if (!refusal.getValue().isEmpty()) {
                    exchange.getResponseHeaders().set("Retry-After", refusal.getValue());
                }
                exchange.sendResponseHeaders(refusal.getKey(), -1);
            } else if (path.startsWith("/api/models/tests/tiny/revision/")) {
                if (!mayRead && !gated) {
                    refuse(exchange, 401, "RepoNotFound");
                } else if (!List.of("main", "v1").contains(revision) && !commits.contains(revision)) {
                    refuse(exchange, 404, "RevisionNotFound");
                } else {
                    answer(exchange, list(commits.contains(revision) ? revision : commits.getLast()));
                }
            } else if (!path.startsWith("/tests/tiny/resolve/") || !commits.contains(parts[4])) {
                refuse(exchange, 401, "RepoNotFound");
            } else if (!mayRead) {
                refuse(exchange, 401, "GatedRepo");
            } else {
                file(exchange, parts[5]);
            }
        }
    }

    private void file(HttpExchange exchange, String path) throws IOException {
        Served served = files.get(path);
        if (served == null) {
            refuse(exchange, 404, "EntryNotFound");
        } else if (served.large()) {
            String address = "http://localhost:" + store.getAddress().getPort() + "/" + path.replace(" ", "%20")
                    + "?X-Amz-Signature=" + "5".repeat(64);
            exchange.getResponseHeaders().set("Location", address);
            exchange.sendResponseHeaders(302, -1);
        } else {
            send(exchange, path, Long.MAX_VALUE, false);
        }
    }

    private static String token(HttpExchange exchange) {
        return exchange.getRequestHeaders().getFirst("Authorization");
    }

    private static void refuse(HttpExchange exchange, int status, String code) throws IOException {
        exchange.getResponseHeaders().set("X-Error-Code", code);
        exchange.sendResponseHeaders(status, -1);
    }

    private static void answer(HttpExchange exchange, byte[] body) throws IOException {
        exchange.sendResponseHeaders(200, body.length);
        exchange.getResponseBody().write(body);
    }

    private byte[] list(String commit) throws IOException {
        ObjectNode root = JSON.createObjectNode().put("id", "tests/tiny").put("sha", commit);
        ArrayNode siblings = root.putArray("siblings");
        for (Map.Entry<String, Served> entry : files.entrySet()) {
            long size = Files.size(entry.getValue().file());
            ObjectNode file =
                    siblings.addObject().put("rfilename", entry.getKey()).put("size", size);
            if (entry.getValue().large()) {
                file.put("blobId", "1".repeat(40))
                        .putObject("lfs")
                        .put("sha256", entry.getValue().hash())
                        .put("size", size)
                        .put("pointerSize", 134);
            } else {
                file.put("blobId", entry.getValue().hash());
            }
        }
        return JSON.writeValueAsBytes(root);
    }

    private void store(HttpExchange exchange) throws IOException {
        try (exchange) {
            if (token(exchange) != null) {
                tokensAtTheStore.add(token(exchange));
            }
            Long breaking = breaks.poll();
            Long stalling = stalls.poll();
            long most = breaking != null ? breaking : stalling != null ? stalling : Long.MAX_VALUE;
            String path = URLDecoder.decode(exchange.getRequestURI().getPath(), StandardCharsets.UTF_8);
            send(exchange, path.substring(1), most, stalling != null);
        }
    }

    private void send(HttpExchange exchange, String path, long most, boolean stalls) throws IOException {
        try (FileChannel in = FileChannel.open(files.get(path).file())) {
            long first = 0;
            long last = in.size() - 1;
            String range = exchange.getRequestHeaders().getFirst("Range");
            if (range != null) {
                String[] ends = range.substring("bytes=".length()).split("-", -1);
                first = Long.parseLong(ends[0]);
                last = ends[1].isEmpty() ? last : Math.min(last, Long.parseLong(ends[1]));
                exchange.getResponseHeaders().set("Content-Range", "bytes " + first + "-" + last + "/" + in.size());
            }
            long length = last - first + 1;
            exchange.sendResponseHeaders(range == null ? 200 : 206, length == 0 ? -1 : length);
            OutputStream out = exchange.getResponseBody();
            AtomicLong counted = sent.computeIfAbsent(path, _ -> new AtomicLong());
            ByteBuffer buffer = ByteBuffer.allocate(1 << 16);
            for (long at = first; at <= last && at - first < most; ) {
                buffer.clear().limit((int) Math.min(buffer.capacity(), Math.min(last - at + 1, most - (at - first))));
                int read = in.read(buffer, at);
                out.write(buffer.array(), 0, read);
                counted.addAndGet(read);
                at += read;
            }
            out.flush();
            if (stalls) {
                closing.await();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        closing.countDown();
        api.stop(0);
        store.stop(0);
    }
}
