package io.github.sparkmixtral.job.cluster;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Stands before an HTTP server and lets requests go wrong. One connection carries one request; its bytes pass unchanged but for
 * the header that says so, for what is signed must not change.
 */
final class FaultyProxy implements AutoCloseable {
    private static final Pattern LENGTH = Pattern.compile("(?im)^content-length: *(\\d+)");
    private static final Pattern ACCESS_KEY = Pattern.compile("(?im)^authorization: .*Credential=([^/]+)/");

    /** What happens to a request. */
    enum Fault {
        NONE,
        INTERNAL_ERROR,
        SLOW_DOWN,
        CUT_UPLOAD,
        CUT_DOWNLOAD,
        /** The server does what is asked, but its answer is lost. */
        LOST_REPLY,
        DELAY
    }

    /** @param bodyBytes of the request's body */
    record Request(String method, String target, long bodyBytes) {}

    /** Chooses what happens; it may wait for other requests. */
    interface Faults {
        Fault of(Request request) throws Exception;
    }

    private final URI upstream;
    private final Faults faults;
    private final ServerSocket server = new ServerSocket(0, 256, InetAddress.getLoopbackAddress());
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final Map<Fault, Integer> injected = new ConcurrentHashMap<>();
    private final Set<String> accessKeys = ConcurrentHashMap.newKeySet();

    FaultyProxy(URI upstream, Faults faults) throws IOException {
        this.upstream = upstream;
        this.faults = faults;
        threads.submit(this::accept);
    }

    URI endpoint() {
        return URI.create("http://127.0.0.1:" + server.getLocalPort());
    }

    /** How often each fault has really happened. */
    Map<Fault, Integer> injected() {
        return injected;
    }

    /** The key ids that requests were signed with. */
    Set<String> accessKeys() {
        return accessKeys;
    }

    private Void accept() throws IOException {
        while (true) {
            Socket client = server.accept();
            threads.submit(() -> serve(client));
        }
    }

    private Void serve(Socket client) throws Exception {
        try (client) {
            InputStream in = new BufferedInputStream(client.getInputStream());
            String head = head(in);
            if (head.isEmpty()) {
                return null;
            }
            Matcher key = ACCESS_KEY.matcher(head);
            if (key.find()) {
                accessKeys.add(key.group(1));
            }
            String[] line = head.split(" ", 3);
            Request request = new Request(line[0], line[1], length(head));
            Fault fault = faults.of(request);
            switch (fault) {
                case INTERNAL_ERROR -> refuse(client, in, request, fault, "500 Internal Server Error", "InternalError");
                case SLOW_DOWN -> refuse(client, in, request, fault, "503 Slow Down", "SlowDown");
                default -> pass(client, in, head, request, fault);
            }
        }
        return null;
    }

    private void pass(Socket client, InputStream in, String head, Request request, Fault fault) throws Exception {
        if (fault == Fault.DELAY) {
            count(fault);
            TimeUnit.MILLISECONDS.sleep(500);
        }
        try (Socket back = new Socket(upstream.getHost(), upstream.getPort())) {
            OutputStream out = back.getOutputStream();
            out.write(closing(head).getBytes(StandardCharsets.ISO_8859_1));
            out.flush();
            long upload = fault == Fault.CUT_UPLOAD ? request.bodyBytes() / 2 : Long.MAX_VALUE;
            Future<Long> sent = threads.submit(() -> pump(in, out, upload));
            if (fault == Fault.CUT_UPLOAD) {
                cutUpload(client, back, sent, upload);
            } else {
                reply(client, new BufferedInputStream(back.getInputStream()), fault);
            }
        }
    }

    /** The server may say "100 Continue" before the client sends its body. */
    private void cutUpload(Socket client, Socket back, Future<Long> sent, long bytes) throws Exception {
        Future<Long> replied =
                threads.submit(() -> pump(back.getInputStream(), client.getOutputStream(), Long.MAX_VALUE));
        if (sent.get() == bytes) {
            count(Fault.CUT_UPLOAD);
        }
        replied.cancel(true);
    }

    private void reply(Socket client, InputStream in, Fault fault) throws IOException {
        OutputStream out = client.getOutputStream();
        String head = head(in);
        while (head.startsWith("HTTP/1.1 100")) {
            out.write(head.getBytes(StandardCharsets.ISO_8859_1));
            out.flush();
            head = head(in);
        }
        if (fault == Fault.LOST_REPLY) {
            count(fault);
            return;
        }
        out.write(head.getBytes(StandardCharsets.ISO_8859_1));
        long length = length(head);
        if (fault == Fault.CUT_DOWNLOAD && length > 1) {
            count(fault);
            pump(in, out, length / 2);
        } else {
            pump(in, out, Long.MAX_VALUE);
        }
    }

    private void refuse(Socket client, InputStream in, Request request, Fault fault, String status, String code)
            throws IOException {
        count(fault);
        String body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>" + code
                + "</Code><Message>Please try again.</Message><RequestId>1</RequestId></Error>";
        String head = "HTTP/1.1 " + status + "\r\nContent-Type: application/xml\r\nContent-Length: " + body.length()
                + "\r\nConnection: close\r\n\r\n";
        client.getOutputStream()
                .write((head + (request.method().equals("HEAD") ? "" : body)).getBytes(StandardCharsets.ISO_8859_1));
        client.shutdownOutput();
        // A connection that is closed with bytes unread would take the answer with it.
        pump(in, OutputStream.nullOutputStream(), Long.MAX_VALUE);
    }

    private void count(Fault fault) {
        injected.merge(fault, 1, Integer::sum);
    }

    private static String closing(String head) {
        String others = head.replaceAll("(?im)^connection:.*\r\n", "");
        return others.substring(0, others.length() - 2) + "Connection: close\r\n\r\n";
    }

    private static long length(String head) {
        Matcher length = LENGTH.matcher(head);
        return length.find() ? Long.parseLong(length.group(1)) : 0;
    }

    /** Up to the empty line; nothing where the connection ends before. */
    private static String head(InputStream in) throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        for (int read = in.read(); read >= 0; read = in.read()) {
            head.write(read);
            if (read == '\n' && head.toString(StandardCharsets.ISO_8859_1).endsWith("\r\n\r\n")) {
                return head.toString(StandardCharsets.ISO_8859_1);
            }
        }
        return "";
    }

    /** Passes bytes on until one side ends, or that many have passed. */
    private static long pump(InputStream in, OutputStream out, long most) throws IOException {
        byte[] buffer = new byte[8192];
        long passed = 0;
        while (passed < most) {
            int read = in.read(buffer, 0, (int) Math.min(buffer.length, most - passed));
            if (read < 0) {
                break;
            }
            out.write(buffer, 0, read);
            out.flush();
            passed += read;
        }
        return passed;
    }

    @Override
    public void close() throws IOException {
        server.close();
        threads.shutdownNow();
    }
}
