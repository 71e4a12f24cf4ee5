package io.github.sparkmixtral.service;

import io.github.sparkmixtral.agent.Reply;
import io.github.sparkmixtral.chat.ChatException;
import io.github.sparkmixtral.chat.ToolCall;
import io.github.sparkmixtral.chat.ToolCalls;
import io.github.sparkmixtral.engine.Completion.Output;
import io.github.sparkmixtral.engine.FinishReason;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.tokenizer.StreamDecoder;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/** Takes answers apart that call tools: text up to the token that says so, and JSON behind it. */
final class ToolCallReader {
    private final Tokenizer tokenizer;
    private final OptionalInt token;

    ToolCallReader(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        this.token = tokenizer.controlToken(ToolCalls.TOKEN);
    }

    /**
     * Reads an answer.
     *
     * @param request whose prompt may end with the token, so that all of the answer is JSON
     * @param ids gives each call its id
     */
    Reply read(Request request, Output output, IntFunction<String> ids) {
        boolean cut = output.finishReason() == FinishReason.LENGTH;
        int[] prompt = request.promptTokens();
        boolean begun = token.isPresent() && prompt[prompt.length - 1] == token.getAsInt();
        int[] tokens = output.tokenIds();
        int at = begun ? -1 : indexOf(tokens);
        if (!begun && at < 0 || cut) {
            return new Reply(output.text(), List.of(), null, cut);
        }
        String text = begun ? "" : text(Arrays.copyOf(tokens, at));
        try {
            String json = text(Arrays.copyOfRange(tokens, at + 1, tokens.length));
            List<ToolCall> calls = ToolCalls.read(json, ids);
            return new Reply(text, calls, null, false);
        } catch (ChatException unreadable) {
            return new Reply(output.text(), List.of(), unreadable.getMessage(), false);
        }
    }

    private int indexOf(int[] tokens) {
        return token.isEmpty()
                ? -1
                : IntStream.range(0, tokens.length)
                        .filter(i -> tokens[i] == token.getAsInt())
                        .findFirst()
                        .orElse(-1);
    }

    private String text(int[] tokens) {
        StreamDecoder decoder = tokenizer.decoder(LeadingSpace.STRIP);
        for (int id : tokens) {
            decoder.append(id);
        }
        decoder.finish();
        return decoder.text().toString();
    }
}
