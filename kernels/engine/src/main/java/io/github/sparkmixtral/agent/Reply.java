package io.github.sparkmixtral.agent;

import io.github.sparkmixtral.chat.ToolCall;
import java.util.List;

/**
 * What a model has said.
 *
 * @param text without the calls that the model's own tokens make
 * @param calls those calls; empty for none
 * @param fault why calls that there are cannot be read; null if they can
 * @param cut whether the answer ended before its end
 */
public record Reply(String text, List<ToolCall> calls, String fault, boolean cut) {

    public Reply {
        calls = List.copyOf(calls);
    }
}
