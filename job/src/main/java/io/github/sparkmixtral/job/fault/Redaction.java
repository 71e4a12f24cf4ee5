package io.github.sparkmixtral.job.fault;

import java.util.regex.Pattern;

/** Keeps secrets out of logs and manifests: what stands in a URI's user part or in a parameter that is named like one. */
public final class Redaction {
    private static final Pattern USER_INFO = Pattern.compile("(?<=://)[^/@\\s]+(?=@)");
    private static final Pattern PARAMETER = Pattern.compile(
            "(?i)([?&;,\\s]|^)([\\w.-]*(?:secret|password|passwd|token|signature|credential|access[_-]?key)[\\w.-]*=)[^&;,\\s]+");

    private Redaction() {}

    public static String redact(String text) {
        String withoutUser = USER_INFO.matcher(text).replaceAll("***");
        return PARAMETER.matcher(withoutUser).replaceAll("$1$2***");
    }
}
