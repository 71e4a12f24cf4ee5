package io.github.sparkmixtral.job.options;

import java.net.URI;

/** URIs as people read them. */
public final class Uris {

    private Uris() {}

    /** No escapes, and a slash less where the authority is empty, however it was written. */
    public static String normalized(String uri) {
        URI parsed = URI.create(uri);
        String authority = parsed.getRawAuthority() == null ? "" : "//" + parsed.getRawAuthority();
        return parsed.getScheme() + ":" + authority + parsed.getPath();
    }
}
