package io.github.sparkmixtral.service;

import io.github.sparkmixtral.agent.Turn;
import io.github.sparkmixtral.chat.ToolCall;
import io.github.sparkmixtral.engine.Completion.Output;
import io.github.sparkmixtral.engine.Completion.PromptValues;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.engine.Completion.TokenLogprobs;
import io.github.sparkmixtral.engine.Completion.Usage;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.grammar.StructuredOutput;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.BitVector;
import org.apache.arrow.vector.Float4Vector;
import org.apache.arrow.vector.Float8Vector;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.complex.FixedSizeListVector;
import org.apache.arrow.vector.complex.ListVector;
import org.apache.arrow.vector.complex.StructVector;
import org.apache.arrow.vector.types.pojo.Schema;

/** Writes answers into a batch of {@link RecordSchema#COMPLETIONS}, without boxing a token or a number of an embedding. */
final class AnswerWriter {
    private final VectorSchemaRoot root;
    private final BigIntVector number;
    private final ListVector outputs;
    private final StructVector output;
    private final IntVector index;
    private final VarCharVector text;
    private final ListVector tokenIds;
    private final VarCharVector finishReason;
    private final ListVector toolCalls;
    private final StructVector logprobs;
    private final StructVector usage;
    private final BigIntVector seed;
    private final VarCharVector constraint;
    private final VarCharVector begun;
    private final ListVector choiceProbabilities;
    private final StructVector promptLogprobs;

    /** Null if the batch has no embeddings. */
    private final FixedSizeListVector embedding;

    private final boolean normalize;
    private final ListVector turns;
    private final StructVector error;
    private final BitVector copied;
    private final Float8Vector seconds;

    /**
     * Finds the columns.
     *
     * @param schema that the batch must have: {@link RecordSchema#COMPLETIONS}, or the same with embeddings
     * @param normalize whether embeddings are divided by their lengths
     * @throws IllegalArgumentException where the batch is not of the schema
     */
    AnswerWriter(VectorSchemaRoot root, Schema schema, boolean normalize) {
        if (!root.getSchema().getFields().equals(schema.getFields())) {
            throw new IllegalArgumentException(
                    "the batch must have the schema " + schema + ", not " + root.getSchema());
        }
        this.root = root;
        this.normalize = normalize;
        number = (BigIntVector) root.getVector(RecordSchema.ROW);
        outputs = (ListVector) root.getVector(RecordSchema.OUTPUTS);
        output = (StructVector) outputs.getDataVector();
        index = output.getChild(RecordSchema.INDEX, IntVector.class);
        text = output.getChild(RecordSchema.TEXT, VarCharVector.class);
        tokenIds = output.getChild(RecordSchema.TOKEN_IDS, ListVector.class);
        finishReason = output.getChild(RecordSchema.FINISH_REASON, VarCharVector.class);
        toolCalls = output.getChild(RecordSchema.TOOL_CALLS, ListVector.class);
        logprobs = output.getChild(RecordSchema.LOGPROBS, StructVector.class);
        usage = (StructVector) root.getVector(RecordSchema.USAGE);
        seed = (BigIntVector) root.getVector(RecordSchema.SEED);
        constraint = (VarCharVector) root.getVector(RecordSchema.CONSTRAINT);
        begun = (VarCharVector) root.getVector(RecordSchema.BEGUN);
        choiceProbabilities = (ListVector) root.getVector(RecordSchema.CHOICE_PROBABILITIES);
        promptLogprobs = (StructVector) root.getVector(RecordSchema.PROMPT_LOGPROBS);
        embedding = (FixedSizeListVector) root.getVector(RecordSchema.EMBEDDING);
        turns = (ListVector) root.getVector(RecordSchema.TURNS);
        error = (StructVector) root.getVector(RecordSchema.ERROR);
        copied = (BitVector) root.getVector(RecordSchema.COPIED);
        seconds = (Float8Vector) root.getVector(RecordSchema.SECONDS);
    }

    /** Replaces the batch's rows by these. */
    void write(List<Answer> answers) {
        root.clear();
        for (int row = 0; row < answers.size(); row++) {
            Answer answer = answers.get(row);
            number.setSafe(row, answer.row());
            copied.setSafe(row, answer.copied() ? 1 : 0);
            seconds.setSafe(row, answer.seconds());
            if (answer.failed()) {
                writeError(row, answer.outcome().error());
            }
            if (answer.turns() != null) {
                writeTurns(row, answer.turns());
            }
            if (!answer.failed() || answer.turns() != null) {
                writeOutputs(row, answer.outcome().outputs(), answer.toolCalls());
                writeUsage(row, answer.outcome().usage());
                if (answer.drawn()) {
                    seed.setSafe(row, answer.seed());
                }
                if (answer.outcome().prompt() != null) {
                    writePrompt(row, answer.outcome().prompt());
                }
                writeConstraint(row, answer.request());
                if (answer.choiceProbabilities() != null) {
                    writeChoices(row, answer.request().constraint().choices(), answer.choiceProbabilities());
                }
            }
        }
        root.setRowCount(answers.size());
    }

    /** @param calls of each; null for none */
    private void writeOutputs(int row, List<Output> values, List<List<ToolCall>> calls) {
        int element = outputs.startNewValue(row);
        for (int i = 0; i < values.size(); i++) {
            Output value = values.get(i);
            output.setIndexDefined(element);
            index.setSafe(element, value.index());
            setIfGiven(text, element, value.text());
            set(finishReason, element, value.finishReason().text());
            if (calls != null && !calls.get(i).isEmpty()) {
                writeToolCalls(element, calls.get(i));
            }
            write(tokenIds, element, value.tokenIds());
            if (!value.logprobs().isEmpty()) {
                writeLogprobs(logprobs, element, value.logprobs());
            }
            element++;
        }
        outputs.endValue(row, values.size());
    }

    private void writeToolCalls(int element, List<ToolCall> calls) {
        StructVector struct = (StructVector) toolCalls.getDataVector();
        int start = toolCalls.startNewValue(element);
        for (int i = 0; i < calls.size(); i++) {
            struct.setIndexDefined(start + i);
            set(
                    struct.getChild(RecordSchema.ID, VarCharVector.class),
                    start + i,
                    calls.get(i).id());
            set(
                    struct.getChild(RecordSchema.NAME, VarCharVector.class),
                    start + i,
                    calls.get(i).name());
            set(
                    struct.getChild(RecordSchema.ARGUMENTS, VarCharVector.class),
                    start + i,
                    calls.get(i).arguments());
        }
        toolCalls.endValue(element, calls.size());
    }

    private void writeTurns(int row, List<Turn> values) {
        StructVector struct = (StructVector) turns.getDataVector();
        int start = turns.startNewValue(row);
        for (int i = 0; i < values.size(); i++) {
            Turn turn = values.get(i);
            struct.setIndexDefined(start + i);
            setIfGiven(struct.getChild(RecordSchema.TOOL, VarCharVector.class), start + i, turn.tool());
            setIfGiven(struct.getChild(RecordSchema.INPUT, VarCharVector.class), start + i, turn.input());
            setIfGiven(struct.getChild(RecordSchema.OUTPUT, VarCharVector.class), start + i, turn.output());
            setIfGiven(struct.getChild(RecordSchema.ERROR, VarCharVector.class), start + i, turn.error());
            struct.getChild(RecordSchema.PROMPT_TOKENS, IntVector.class).setSafe(start + i, turn.promptTokens());
            struct.getChild(RecordSchema.COMPLETION_TOKENS, IntVector.class)
                    .setSafe(start + i, turn.completionTokens());
        }
        turns.endValue(row, values.size());
    }

    private void writePrompt(int row, PromptValues values) {
        if (!values.logprobs().isEmpty()) {
            writeLogprobs(promptLogprobs, row, values.logprobs());
            write(
                    promptLogprobs.getChild(RecordSchema.TOKEN_IDS, ListVector.class),
                    row,
                    values.logprobs().stream().mapToInt(TokenLogprobs::tokenId).toArray());
        }
        if (values.embedding() != null) {
            writeEmbedding(row, values.embedding());
        }
    }

    private void writeEmbedding(int row, float[] values) {
        double squares = 0;
        for (float value : values) {
            squares += (double) value * value;
        }
        double scale = normalize && squares > 0 ? 1 / Math.sqrt(squares) : 1;
        Float4Vector elements = (Float4Vector) embedding.getDataVector();
        int start = embedding.startNewValue(row);
        for (int i = 0; i < values.length; i++) {
            elements.setSafe(start + i, (float) (values[i] * scale));
        }
    }

    private static void writeLogprobs(StructVector target, int element, List<TokenLogprobs> values) {
        target.setIndexDefined(element);
        ListVector topTokenIds = target.getChild(RecordSchema.TOP_TOKEN_IDS, ListVector.class);
        ListVector topLogprobs = target.getChild(RecordSchema.TOP_LOGPROBS, ListVector.class);
        float[] chosen = new float[values.size()];
        int inner = topTokenIds.startNewValue(element);
        int same = topLogprobs.startNewValue(element);
        for (int i = 0; i < chosen.length; i++) {
            TokenLogprobs value = values.get(i);
            chosen[i] = value.logprob();
            write((ListVector) topTokenIds.getDataVector(), inner + i, value.topTokenIds());
            write((ListVector) topLogprobs.getDataVector(), same + i, value.topLogprobs());
        }
        topTokenIds.endValue(element, chosen.length);
        topLogprobs.endValue(element, chosen.length);
        write(target.getChild(RecordSchema.TOKEN_LOGPROBS, ListVector.class), element, chosen);
    }

    private void writeUsage(int row, Usage value) {
        usage.setIndexDefined(row);
        usage.getChild(RecordSchema.PROMPT_TOKENS, IntVector.class).setSafe(row, value.promptTokens());
        usage.getChild(RecordSchema.COMPLETION_TOKENS, IntVector.class).setSafe(row, value.completionTokens());
        usage.getChild(RecordSchema.TOTAL_TOKENS, IntVector.class).setSafe(row, value.totalTokens());
        usage.getChild(RecordSchema.CACHED_TOKENS, IntVector.class).setSafe(row, value.cachedTokens());
    }

    private void writeConstraint(int row, Request request) {
        StructuredOutput wanted = request.parameters().structuredOutput();
        if (wanted != null) {
            set(constraint, row, wanted.kind().name().toLowerCase(Locale.ROOT));
        }
        if (!request.begun().isEmpty()) {
            set(begun, row, request.begun());
        }
    }

    private void writeChoices(int row, List<String> choices, double[] values) {
        StructVector element = (StructVector) choiceProbabilities.getDataVector();
        VarCharVector choice = element.getChild(RecordSchema.CHOICE, VarCharVector.class);
        Float8Vector probability = element.getChild(RecordSchema.PROBABILITY, Float8Vector.class);
        int start = choiceProbabilities.startNewValue(row);
        for (int i = 0; i < values.length; i++) {
            element.setIndexDefined(start + i);
            set(choice, start + i, choices.get(i));
            probability.setSafe(start + i, values[i]);
        }
        choiceProbabilities.endValue(row, values.length);
    }

    private void writeError(int row, RequestError value) {
        error.setIndexDefined(row);
        set(error.getChild(RecordSchema.CODE, VarCharVector.class), row, value.code());
        set(error.getChild(RecordSchema.MESSAGE, VarCharVector.class), row, value.message());
        error.getChild(RecordSchema.RETRYABLE, BitVector.class).setSafe(row, value.retryable() ? 1 : 0);
    }

    private static void setIfGiven(VarCharVector vector, int row, String value) {
        if (value != null) {
            set(vector, row, value);
        }
    }

    private static void set(VarCharVector vector, int row, String value) {
        vector.setSafe(row, value.getBytes(StandardCharsets.UTF_8));
    }

    private static void write(ListVector list, int row, int[] values) {
        int start = list.startNewValue(row);
        IntVector elements = (IntVector) list.getDataVector();
        for (int i = 0; i < values.length; i++) {
            elements.setSafe(start + i, values[i]);
        }
        list.endValue(row, values.length);
    }

    private static void write(ListVector list, int row, float[] values) {
        int start = list.startNewValue(row);
        Float4Vector elements = (Float4Vector) list.getDataVector();
        for (int i = 0; i < values.length; i++) {
            elements.setSafe(start + i, values[i]);
        }
        list.endValue(row, values.length);
    }
}
