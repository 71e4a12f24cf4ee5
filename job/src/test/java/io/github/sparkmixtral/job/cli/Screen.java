package io.github.sparkmixtral.job.cli;

import java.util.ArrayList;
import java.util.List;

/** What a terminal shows in the end, of the few things that the status line does to it. */
final class Screen {
    private Screen() {}

    static List<String> of(String written) {
        List<String> lines = new ArrayList<>();
        StringBuilder line = new StringBuilder();
        int column = 0;
        String text = written.replace("\r\n", "\n");
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '\n') {
                lines.add(line.toString());
                line.setLength(0);
                column = 0;
            } else if (c == '\r') {
                column = 0;
            } else if (text.startsWith("\u001b[K", i)) {
                line.setLength(column);
                i += 2;
            } else {
                line.setLength(Math.max(line.length(), column + 1));
                line.setCharAt(column++, c);
            }
        }
        lines.add(line.toString());
        return lines;
    }
}
