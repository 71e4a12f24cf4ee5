package io.github.sparkmixtral.job.input;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * How a CSV file is written: its header, its separator, and whether a quote within quotes is escaped by a backslash rather than
 * doubled.
 *
 * @param header names of the columns; empty where the file gives none
 */
record CsvDialect(List<String> header, char separator, boolean backslash) implements Serializable {

    /** The file cannot be read; the message goes behind its name. */
    static final class FaultException extends Exception {
        private static final long serialVersionUID = 1L;

        FaultException(String message) {
            super(message);
        }
    }

    /** What else than a comma may separate cells, the likeliest first. */
    private static final String SEPARATORS = "\t;|";

    private static final int LONGEST_HEADER = 1 << 20;

    CsvDialect {
        header = new ArrayList<>(header);
    }

    /**
     * Reads a whole file: only then is it known that all of it is UTF-8, and how quotes are escaped.
     *
     * @param name by which a file of tabs is known
     * @throws FaultException for what is no CSV in UTF-8
     */
    static CsvDialect of(InputStream in, String name) throws IOException, FaultException {
        return new Scan(new BufferedInputStream(in, 1 << 16), name.contains(".tsv")).dialect();
    }

    /** Where the scan is: between cells, in one without quotes, in one with quotes, behind a quote in it. */
    private enum State {
        START,
        PLAIN,
        QUOTED,
        QUOTE
    }

    /** All that means something is ASCII, so that bytes are looked at, not characters. */
    private static final class Scan {
        private final InputStream in;
        private final boolean tabs;
        private long line = 1;
        private int follow;
        private int lowest = 0x80;
        private int highest = 0xBF;

        Scan(InputStream in, boolean tabs) {
            this.in = in;
            this.tabs = tabs;
        }

        CsvDialect dialect() throws IOException, FaultException {
            byte[] header = header();
            char separator = separator(header);
            List<String> names = new ArrayList<>();
            for (String cell : cells(new String(header, StandardCharsets.UTF_8), separator)) {
                names.add(cell.strip());
            }
            return new CsvDialect(names, separator, hasBackslashes(separator));
        }

        private int next() throws IOException, FaultException {
            int b = in.read();
            boolean wrong = follow > 0 ? b < lowest || b > highest : b >= 0x80 && b < 0xC2 || b > 0xF4;
            if (wrong) {
                throw new FaultException("is not UTF-8 text in line " + line
                        + ": convert it, for example with iconv -f WINDOWS-1252 -t UTF-8");
            }
            if (follow > 0) {
                follow--;
                lowest = 0x80;
                highest = 0xBF;
            } else if (b >= 0xC2) {
                follow = b < 0xE0 ? 1 : b < 0xF0 ? 2 : 3;
                lowest = b == 0xE0 ? 0xA0 : b == 0xF0 ? 0x90 : 0x80;
                highest = b == 0xED ? 0x9F : b == 0xF4 ? 0x8F : 0xBF;
            }
            line += b == '\n' ? 1 : 0;
            return b;
        }

        /** The first line that is not empty, up to the end of its last cell. */
        private byte[] header() throws IOException, FaultException {
            ByteArrayOutputStream header = new ByteArrayOutputStream();
            boolean quoted = false;
            for (int b = next(); b >= 0; b = next()) {
                quoted ^= b == '"';
                if (!quoted && (b == '\n' || b == '\r')) {
                    if (!RowNumbering.isBlank(header.toByteArray())) {
                        break;
                    }
                    header.reset();
                } else {
                    header.write(b);
                }
                if (header.size() > LONGEST_HEADER) {
                    throw new FaultException("has no header: its first line is longer than a megabyte");
                }
            }
            byte[] bytes = header.toByteArray();
            int mark = InputBytes.markLength(bytes);
            return java.util.Arrays.copyOfRange(bytes, mark, bytes.length);
        }

        private char separator(byte[] header) {
            if (tabs) {
                return '\t';
            }
            String unquoted = new String(header, StandardCharsets.UTF_8).replaceAll("\"[^\"]*\"", "");
            if (unquoted.indexOf(',') < 0) {
                for (char candidate : SEPARATORS.toCharArray()) {
                    if (unquoted.indexOf(candidate) >= 0) {
                        return candidate;
                    }
                }
            }
            return ',';
        }

        private static List<String> cells(String header, char separator) {
            List<String> cells = new ArrayList<>();
            StringBuilder cell = new StringBuilder();
            boolean quoted = false;
            for (int i = 0; i < header.length(); i++) {
                char c = header.charAt(i);
                if (c == '"') {
                    boolean doubled = quoted && i + 1 < header.length() && header.charAt(i + 1) == '"';
                    if (doubled) {
                        cell.append(c);
                        i++;
                    } else {
                        quoted = !quoted;
                    }
                } else if (c == separator && !quoted) {
                    cells.add(cell.toString());
                    cell.setLength(0);
                } else {
                    cell.append(c);
                }
            }
            cells.add(cell.toString());
            return cells;
        }

        /** Whether a quote behind a backslash is followed by what no closing quote is followed by. */
        private boolean hasBackslashes(char separator) throws IOException, FaultException {
            State state = State.START;
            boolean backslashes = false;
            int beforeQuote = 0;
            int before = 0;
            for (int b = next(); b >= 0; b = next()) {
                boolean ends = b == separator || b == '\n' || b == '\r';
                if (state == State.QUOTE) {
                    backslashes |= !ends && b != '"' && beforeQuote == '\\';
                    state = ends ? State.START : State.QUOTED;
                } else if (state == State.QUOTED) {
                    beforeQuote = before;
                    state = b == '"' ? State.QUOTE : State.QUOTED;
                } else {
                    state = ends ? State.START : state == State.START && b == '"' ? State.QUOTED : State.PLAIN;
                }
                before = b;
            }
            return backslashes;
        }
    }
}
