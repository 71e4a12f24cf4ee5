package io.github.sparkmixtral.service;

import io.github.sparkmixtral.agent.Reply;
import io.github.sparkmixtral.chat.ToolCall;
import io.github.sparkmixtral.chat.ToolCalls;
import io.github.sparkmixtral.engine.Completion.Output;
import io.github.sparkmixtral.engine.FinishReason;
import io.github.sparkmixtral.engine.Request;
import java.util.ArrayList;
import java.util.List;

/** A row that brings tools, which its one answer may call. Who called reads the calls in its output. */
record ToolCallCourse(ToolCallReader reader) implements Course {

    @Override
    public Step after(Answer answer) {
        if (answer.failed()) {
            return new End(answer);
        }
        Request request = answer.request();
        List<Output> outputs = new ArrayList<>();
        List<List<ToolCall>> calls = new ArrayList<>();
        for (Output output : answer.outcome().outputs()) {
            Reply reply = reader.read(
                    request, output, call -> ToolCalls.id(answer.seed(), request.customId(), output.index(), call));
            calls.add(reply.calls());
            outputs.add(reply.calls().isEmpty() ? output : calling(output, reply.text()));
        }
        return new End(answer.withToolCalls(outputs, calls));
    }

    private static Output calling(Output output, String text) {
        return new Output(
                output.index(),
                text.isBlank() ? null : text,
                output.tokenIds(),
                FinishReason.TOOL_CALLS,
                output.logprobs());
    }
}
