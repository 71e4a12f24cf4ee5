package io.github.sparkmixtral.service;

import io.github.sparkmixtral.testkit.FakeBackend.LanguageModel;
import io.github.sparkmixtral.testkit.TinyTokenizer;
import io.github.sparkmixtral.tokenizer.StreamDecoder;
import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** A model that says, byte by byte, what stands in a script: for each question its answers, one for each time that it is asked. */
record ScriptedModel(Map<String, List<String>> answers) implements LanguageModel {
    private static final String PRIMER = "```json\n{\"tool_name\": ";
    private static final String TOLD = "Tool Output: ";

    /** The rest of an object that calls a tool. */
    static String call(String tool, String input) {
        return "\"" + tool + "\", \"input\": \"" + input + "\"}";
    }

    static String answer(String text) {
        return call("Final Answer", text);
    }

    @Override
    public void logits(int[] history, float[] logits, int offset) {
        StreamDecoder decoder = TinyTokenizer.INSTANCE.decoder(LeadingSpace.KEEP);
        Arrays.stream(history).forEach(decoder::append);
        decoder.finish();
        String text = decoder.text().toString();
        int begin = text.lastIndexOf(PRIMER) + PRIMER.length();
        String prompt = text.substring(0, begin);
        int turn = prompt.split(TOLD, -1).length - 1;
        List<String> script = answers.entrySet().stream()
                .filter(entry -> prompt.contains("\n\n" + entry.getKey() + " [/INST]"))
                .findFirst()
                .orElseThrow(() -> new AssertionError("no script for " + prompt))
                .getValue();
        byte[] wanted = script.get(Math.min(turn, script.size() - 1)).getBytes(StandardCharsets.UTF_8);
        int said = text.substring(begin).getBytes(StandardCharsets.UTF_8).length;
        Arrays.fill(logits, offset, offset + TinyTokenizer.SIZE, 0);
        int next = said == wanted.length ? TinyTokenizer.EOS : token((char) wanted[said]);
        logits[offset + next] = 10;
    }

    /** Constraints know a character by its piece, if it has one. */
    private static int token(char character) {
        boolean piece = character == ' ' || character == '.' || character >= 'a' && character <= 'z';
        return piece
                ? TinyTokenizer.of(character == ' ' ? "\u2581" : Character.toString(character))
                : TinyTokenizer.ofByte(character);
    }
}
