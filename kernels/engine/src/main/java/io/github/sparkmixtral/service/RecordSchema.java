package io.github.sparkmixtral.service;

import java.util.List;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * The columns of the record batches that go into and come out of a {@link CompletionService}: the one place that names them.
 *
 * <p>{@link #REQUESTS}: of {@code prompt} and {@code messages} a row has exactly one; {@code messages} is a JSON array of
 * OpenAI's messages, {@code tools} a JSON array of OpenAI's tools, {@code parameters} a JSON object of the row's own sampling
 * parameters (see {@link ParametersReader}), {@code task} the row's own {@link Task} by its text.
 *
 * <p>{@link #COMPLETIONS}: a row has either outputs, usage and seed, or an error. The lists under {@code logprobs} run parallel
 * to the output's {@code token_ids}; {@code logprobs} is null where none were asked for.
 */
public final class RecordSchema {
    public static final String CUSTOM_ID = "custom_id";
    public static final String PROMPT = "prompt";
    public static final String MESSAGES = "messages";
    public static final String TOOLS = "tools";
    public static final String PARAMETERS = "parameters";
    public static final String TASK = "task";

    public static final String OUTPUTS = "outputs";
    public static final String INDEX = "index";
    public static final String TEXT = "text";
    public static final String TOKEN_IDS = "token_ids";
    public static final String FINISH_REASON = "finish_reason";
    public static final String LOGPROBS = "logprobs";
    public static final String TOKEN_LOGPROBS = "token_logprobs";
    public static final String TOP_TOKEN_IDS = "top_token_ids";
    public static final String TOP_LOGPROBS = "top_logprobs";

    public static final String USAGE = "usage";
    public static final String PROMPT_TOKENS = "prompt_tokens";
    public static final String COMPLETION_TOKENS = "completion_tokens";
    public static final String TOTAL_TOKENS = "total_tokens";
    public static final String CACHED_TOKENS = "cached_tokens";

    public static final String SEED = "seed";

    public static final String ERROR = "error";
    public static final String CODE = "code";
    public static final String MESSAGE = "message";
    public static final String RETRYABLE = "retryable";

    private static final ArrowType UTF8 = ArrowType.Utf8.INSTANCE;
    private static final ArrowType INT32 = new ArrowType.Int(32, true);
    private static final ArrowType INT64 = new ArrowType.Int(64, true);
    private static final ArrowType FLOAT32 = new ArrowType.FloatingPoint(FloatingPointPrecision.SINGLE);
    private static final ArrowType BOOLEAN = ArrowType.Bool.INSTANCE;

    /** Rows to answer: {@code custom_id} (not null), {@code prompt}, {@code messages}, {@code tools}, {@code parameters}, {@code task}; all utf8. */
    public static final Schema REQUESTS = new Schema(List.of(
            required(CUSTOM_ID, UTF8),
            optional(PROMPT, UTF8),
            optional(MESSAGES, UTF8),
            optional(TOOLS, UTF8),
            optional(PARAMETERS, UTF8),
            optional(TASK, UTF8)));

    /**
     * Answered rows: {@code custom_id utf8 not null}, {@code outputs list<struct<index int32, text utf8, token_ids list<int32>,
     * finish_reason utf8, logprobs struct<token_logprobs list<float32>, top_token_ids list<list<int32>>, top_logprobs
     * list<list<float32>>>>>}, {@code usage struct<prompt_tokens, completion_tokens, total_tokens, cached_tokens: int32>}, {@code
     * seed int64}, {@code error struct<code utf8, message utf8, retryable bool>}.
     */
    public static final Schema COMPLETIONS = new Schema(List.of(
            required(CUSTOM_ID, UTF8),
            list(
                    OUTPUTS,
                    struct(
                            "element",
                            required(INDEX, INT32),
                            required(TEXT, UTF8),
                            list(TOKEN_IDS, required("element", INT32)),
                            required(FINISH_REASON, UTF8),
                            struct(
                                    LOGPROBS,
                                    list(TOKEN_LOGPROBS, required("element", FLOAT32)),
                                    list(TOP_TOKEN_IDS, list("element", required("element", INT32))),
                                    list(TOP_LOGPROBS, list("element", required("element", FLOAT32)))))),
            struct(
                    USAGE,
                    required(PROMPT_TOKENS, INT32),
                    required(COMPLETION_TOKENS, INT32),
                    required(TOTAL_TOKENS, INT32),
                    required(CACHED_TOKENS, INT32)),
            optional(SEED, INT64),
            struct(ERROR, required(CODE, UTF8), required(MESSAGE, UTF8), required(RETRYABLE, BOOLEAN))));

    private RecordSchema() {}

    private static Field required(String name, ArrowType type) {
        return new Field(name, FieldType.notNullable(type), null);
    }

    private static Field optional(String name, ArrowType type) {
        return new Field(name, FieldType.nullable(type), null);
    }

    private static Field list(String name, Field element) {
        return new Field(name, FieldType.nullable(ArrowType.List.INSTANCE), List.of(element));
    }

    private static Field struct(String name, Field... fields) {
        return new Field(name, FieldType.nullable(ArrowType.Struct.INSTANCE), List.of(fields));
    }
}
