package io.github.sparkmixtral.chat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;

/** The calls of tools in an answer of a model with Mistral's tokenizer v3: a JSON array of {@code {"name": …, "arguments": {…}}}. */
public final class ToolCalls {
    /** The token that such an answer begins with. */
    public static final String TOKEN = "[TOOL_CALLS]";

    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private static final String ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    private static final int ID_LENGTH = 9;

    private ToolCalls() {}

    /**
     * Reads calls.
     *
     * @param json what follows on the token
     * @param ids gives the call of that index its id; what the model takes for one is not looked at
     * @throws ChatException saying why they cannot be read
     */
    public static List<ToolCall> read(String json, IntFunction<String> ids) {
        JsonNode array;
        try {
            array = JSON.readTree(json);
        } catch (JsonProcessingException invalid) {
            throw new ChatException("the calls of tools are not valid JSON: "
                    + invalid.getOriginalMessage().lines().findFirst().orElse(""));
        }
        if (!array.isArray() || array.isEmpty()) {
            throw new ChatException("the calls of tools are no array of calls");
        }
        List<ToolCall> calls = new ArrayList<>();
        for (JsonNode call : array) {
            JsonNode arguments = call.path("arguments");
            String name = call.path("name").textValue();
            if (!ConversationRules.isFunctionName(name) || !arguments.isObject()) {
                throw new ChatException("a call of a tool needs a function's name, and an object of arguments");
            }
            calls.add(new ToolCall(ids.apply(calls.size()), name, PythonJson.write(arguments)));
        }
        return calls;
    }

    /**
     * An id of nine letters and digits, as the models know them: the same for the same call of the same row.
     *
     * @param answer which of the row's answers
     * @param call which of its calls
     */
    public static String id(long seed, String customId, int answer, int call) {
        byte[] row = customId.getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(Long.BYTES + 2 * Integer.BYTES + row.length);
        bytes.putLong(seed).putInt(answer).putInt(call).put(row);
        try {
            ByteBuffer digest =
                    ByteBuffer.wrap(MessageDigest.getInstance("SHA-256").digest(bytes.array()));
            long bits = digest.getLong();
            StringBuilder id = new StringBuilder();
            while (id.length() < ID_LENGTH) {
                id.append(ALPHABET.charAt((int) Long.remainderUnsigned(bits, ALPHABET.length())));
                bits = Long.divideUnsigned(bits, ALPHABET.length());
            }
            return id.toString();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
