package io.github.sparkmixtral.service;

import java.util.ArrayList;
import java.util.List;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * The columns of the record batches that come out of a {@link CompletionService}: the one place that names them.
 *
 * <p>A row has either outputs, usage and seed, or an error; an agent's row that has begun may have an error, usage, seed and turns. The lists under {@code logprobs} run parallel to the output's {@code
 * token_ids}; {@code logprobs} is null where none were asked for.
 */
public final class RecordSchema {
    public static final String ROW = "row";

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

    public static final String TOOL_CALLS = "tool_calls";
    public static final String ID = "id";
    public static final String NAME = "name";
    public static final String ARGUMENTS = "arguments";

    public static final String TURNS = "turns";
    public static final String TOOL = "tool";
    public static final String INPUT = "input";
    public static final String OUTPUT = "output";

    public static final String SEED = "seed";

    public static final String CONSTRAINT = "constraint";
    public static final String BEGUN = "begun";

    public static final String CHOICE_PROBABILITIES = "choice_probabilities";
    public static final String CHOICE = "choice";
    public static final String PROBABILITY = "probability";

    public static final String PROMPT_LOGPROBS = "prompt_logprobs";
    public static final String EMBEDDING = "embedding";

    public static final String COPIED = "copied";
    public static final String SECONDS = "seconds";

    public static final String ERROR = "error";
    public static final String CODE = "code";
    public static final String MESSAGE = "message";
    public static final String RETRYABLE = "retryable";

    private static final ArrowType UTF8 = ArrowType.Utf8.INSTANCE;
    private static final ArrowType INT32 = new ArrowType.Int(32, true);
    private static final ArrowType INT64 = new ArrowType.Int(64, true);
    private static final ArrowType FLOAT32 = new ArrowType.FloatingPoint(FloatingPointPrecision.SINGLE);
    private static final ArrowType FLOAT64 = new ArrowType.FloatingPoint(FloatingPointPrecision.DOUBLE);
    private static final ArrowType BOOLEAN = ArrowType.Bool.INSTANCE;

    /**
     * Answered rows: {@code row int64 not null}, the number that the row was submitted with; {@code outputs list<struct<index int32, text utf8 (null for an answer that is none), token_ids list<int32>,
     * finish_reason utf8, tool_calls list<struct<id utf8, name utf8, arguments utf8>>, logprobs struct<token_logprobs list<float32>, top_token_ids list<list<int32>>, top_logprobs
     * list<list<float32>>>>>}, {@code usage struct<prompt_tokens, completion_tokens, total_tokens, cached_tokens: int32>}, {@code
     * seed int64}; {@code constraint utf8}, the kind of what the outputs have to be, such as {@code json}, null for anything; {@code
     * begun utf8}, what of the constrained text the prompt holds already, null for nothing; {@code choice_probabilities
     * list<struct<choice utf8, probability float64>>}, how likely each choice of the constraint is, null where there are none or no
     * log-probabilities were asked for; {@code prompt_logprobs} as {@code logprobs}, with {@code token_ids} before, of the prompt's tokens
     * that were scored, null where none was; {@code turns list<struct<tool utf8, input utf8, output utf8, error utf8, prompt_tokens int32,
     * completion_tokens int32>>}, those of an agent, null for other rows; {@code error struct<code utf8, message utf8, retryable bool>}, {@code copied bool not null}: whether the answer was
     * computed for an equal row; {@code seconds float64 not null} from the row's submission to its answer.
     */
    public static final Schema COMPLETIONS = new Schema(List.of(
            required(ROW, INT64),
            list(
                    OUTPUTS,
                    struct(
                            "element",
                            required(INDEX, INT32),
                            optional(TEXT, UTF8),
                            list(TOKEN_IDS, required("element", INT32)),
                            required(FINISH_REASON, UTF8),
                            list(
                                    TOOL_CALLS,
                                    struct(
                                            "element",
                                            required(ID, UTF8),
                                            required(NAME, UTF8),
                                            required(ARGUMENTS, UTF8))),
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
            optional(CONSTRAINT, UTF8),
            optional(BEGUN, UTF8),
            list(CHOICE_PROBABILITIES, struct("element", required(CHOICE, UTF8), required(PROBABILITY, FLOAT64))),
            struct(
                    PROMPT_LOGPROBS,
                    list(TOKEN_IDS, required("element", INT32)),
                    list(TOKEN_LOGPROBS, required("element", FLOAT32)),
                    list(TOP_TOKEN_IDS, list("element", required("element", INT32))),
                    list(TOP_LOGPROBS, list("element", required("element", FLOAT32)))),
            list(
                    TURNS,
                    struct(
                            "element",
                            optional(TOOL, UTF8),
                            optional(INPUT, UTF8),
                            optional(OUTPUT, UTF8),
                            optional(ERROR, UTF8),
                            required(PROMPT_TOKENS, INT32),
                            required(COMPLETION_TOKENS, INT32))),
            struct(ERROR, required(CODE, UTF8), required(MESSAGE, UTF8), required(RETRYABLE, BOOLEAN)),
            required(COPIED, BOOLEAN),
            required(SECONDS, FLOAT64)));

    private RecordSchema() {}

    /**
     * {@link #COMPLETIONS} with a last column {@code embedding fixed_size_list<float32>[size]}, null for rows without an embedding.
     *
     * @param size of an embedding
     */
    public static Schema withEmbeddings(int size) {
        List<Field> fields = new ArrayList<>(COMPLETIONS.getFields());
        fields.add(new Field(
                EMBEDDING,
                FieldType.nullable(new ArrowType.FixedSizeList(size)),
                List.of(required("element", FLOAT32))));
        return new Schema(fields);
    }

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
