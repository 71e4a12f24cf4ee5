package io.github.sparkmixtral.job.model;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Optional;

/**
 * A file of a model on the Hub.
 *
 * @param path in the repository
 * @param size in bytes
 * @param hash empty where it is not known, as of files that another tool has fetched and checked
 */
record HubFile(String path, long size, Optional<Hash> hash) {

    /**
     * What the bytes are checked by.
     *
     * @param algorithm {@link #SHA_256}, or {@link #GIT_SHA_1} for what lies in the git repository itself
     * @param digits hexadecimal
     */
    record Hash(String algorithm, String digits) {
        static final String SHA_256 = "SHA-256";
        static final String GIT_SHA_1 = "git SHA-1";

        /** Digests the content of a file as git does, which puts its length before it. */
        static MessageDigest ofGit(long length) {
            try {
                MessageDigest digest = MessageDigest.getInstance("SHA-1");
                digest.update(("blob " + length + "\0").getBytes(StandardCharsets.US_ASCII));
                return digest;
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException("every Java platform has SHA-1", e);
            }
        }
    }

    /** The path without its folder. */
    String name() {
        return path.substring(path.lastIndexOf('/') + 1);
    }

    /** The folder with a slash at its end; empty for the repository itself. */
    String folder() {
        return path.substring(0, path.lastIndexOf('/') + 1);
    }
}
