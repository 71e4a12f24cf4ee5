package io.github.sparkmixtral.job.input;

/** Recognizes bytes that are no text in UTF-8 by the way a file begins. */
final class TextEncoding {

    /** Bytes after which it is clear where a two-byte encoding has its zeros. */
    private static final int ENOUGH = 1024;

    private TextEncoding() {}

    /**
     * What is wrong with a file's first bytes, and the way out; null where nothing is.
     *
     * @param head decompressed
     */
    static String fault(byte[] head) {
        if (begins(head, 0xFF, 0xFE) || begins(head, 0xFE, 0xFF)) {
            return utf16(begins(head, 0xFF, 0xFE) ? "UTF-16LE" : "UTF-16BE");
        }
        int[] zeros = new int[2];
        int length = Math.min(head.length, ENOUGH) & ~1;
        for (int i = 0; i < length; i++) {
            zeros[i & 1] += head[i] == 0 ? 1 : 0;
        }
        if (zeros[1] > length / 8 && zeros[0] == 0) {
            return utf16("UTF-16LE");
        }
        if (zeros[0] > length / 8 && zeros[1] == 0) {
            return utf16("UTF-16BE");
        }
        if (begins(head, 0x1F, 0x8B)) {
            return "is compressed by gzip, which its name does not say: let it end with .gz";
        }
        if (begins(head, 0x28, 0xB5, 0x2F, 0xFD)) {
            return "is compressed by zstd, which its name does not say: let it end with .zst";
        }
        if (begins(head, 'P', 'A', 'R', '1')) {
            return "is a Parquet file: give --input-format parquet";
        }
        if (begins(head, 'P', 'K', 3, 4)) {
            return "is a zip archive or a spreadsheet: unpack it, or save it as CSV";
        }
        if (begins(head, 'O', 'R', 'C')) {
            return "is an ORC file, which is not read: convert it to Parquet";
        }
        return begins(head, 'O', 'b', 'j', 1) ? "is an Avro file, which is not read: convert it to Parquet" : null;
    }

    private static String utf16(String name) {
        return "is " + name + " and not UTF-8, as PowerShell may write files: convert it with iconv -f " + name
                + " -t UTF-8";
    }

    private static boolean begins(byte[] head, int... bytes) {
        if (head.length < bytes.length) {
            return false;
        }
        for (int i = 0; i < bytes.length; i++) {
            if ((head[i] & 0xFF) != bytes[i]) {
                return false;
            }
        }
        return true;
    }
}
