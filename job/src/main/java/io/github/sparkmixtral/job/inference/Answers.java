package io.github.sparkmixtral.job.inference;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.engine.FinishReason;
import io.github.sparkmixtral.job.options.OutputColumns;
import io.github.sparkmixtral.service.RecordSchema;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.arrow.memory.BufferAllocator;
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
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import scala.jdk.javaapi.CollectionConverters;

/** A record batch of completions, filled again and again, seen as the columns that the output gets. One thread at a time. */
public final class Answers implements AutoCloseable {
    private final VectorSchemaRoot root;
    private final Tokenizer tokenizer;

    /** Texts of tokens that were asked for. */
    private final Map<Integer, String> pieces = new HashMap<>();

    /** @param schema of the session that fills it */
    Answers(BufferAllocator allocator, Schema schema, Tokenizer tokenizer) {
        this.root = VectorSchemaRoot.create(schema, allocator);
        this.tokenizer = tokenizer;
    }

    /** The batch to fill. */
    VectorSchemaRoot root() {
        return root;
    }

    /** Whether the answer was computed for an equal row. */
    public boolean copied(int row) {
        return ((BitVector) root.getVector(RecordSchema.COPIED)).get(row) == 1;
    }

    /** How long the answer took, from the row's submission on. */
    double seconds(int row) {
        return ((Float8Vector) root.getVector(RecordSchema.SECONDS)).get(row);
    }

    boolean failed(int row) {
        return !root.getVector(RecordSchema.ERROR).isNull(row);
    }

    /** Whether an agent has begun with the row, so that it has turns and counts even if it has failed. */
    boolean hasTurns(int row) {
        return !root.getVector(RecordSchema.TURNS).isNull(row);
    }

    RequestError error(int row) {
        StructVector error = (StructVector) root.getVector(RecordSchema.ERROR);
        return new RequestError(
                text((VarCharVector) error.getChild(RecordSchema.CODE), row),
                text((VarCharVector) error.getChild(RecordSchema.MESSAGE), row),
                ((BitVector) error.getChild(RecordSchema.RETRYABLE)).get(row) == 1);
    }

    public int completionTokens(int row) {
        return usage(RecordSchema.COMPLETION_TOKENS, row);
    }

    public int promptTokens(int row) {
        return usage(RecordSchema.PROMPT_TOKENS, row);
    }

    /** Tokens of the prompt whose keys and values were in the cache. */
    int cachedTokens(int row) {
        return usage(RecordSchema.CACHED_TOKENS, row);
    }

    private int usage(String field, int row) {
        return ((IntVector) ((StructVector) root.getVector(RecordSchema.USAGE)).getChild(field)).get(row);
    }

    /** The text of a row's first output; null if it has none, as one that calls tools. */
    public String text(int row) {
        ListVector outputs = (ListVector) root.getVector(RecordSchema.OUTPUTS);
        StructVector output = (StructVector) outputs.getDataVector();
        return text((VarCharVector) output.getChild(RecordSchema.TEXT), outputs.getElementStartIndex(row));
    }

    /** Why a row's first output has ended. */
    String finishReason(int row) {
        ListVector outputs = (ListVector) root.getVector(RecordSchema.OUTPUTS);
        StructVector output = (StructVector) outputs.getDataVector();
        return text((VarCharVector) output.getChild(RecordSchema.FINISH_REASON), outputs.getElementStartIndex(row));
    }

    /**
     * Why an answer is not whole that has to be something: one of its outputs was cut.
     *
     * @return null for an answer that is whole, or may be anything
     */
    public RequestError incomplete(int row) {
        VarCharVector constraint = (VarCharVector) root.getVector(RecordSchema.CONSTRAINT);
        if (constraint.isNull(row)) {
            return null;
        }
        ListVector outputs = (ListVector) root.getVector(RecordSchema.OUTPUTS);
        for (int i = outputs.getElementStartIndex(row); i < outputs.getElementEndIndex(row); i++) {
            if (isCut((StructVector) outputs.getDataVector(), i)) {
                boolean json = text(constraint, row).startsWith("json");
                return new RequestError(
                        json ? "incomplete_json" : "incomplete_output",
                        "the answer was cut before its end (finish_reason is length): raise max_tokens, or shorten the prompt if"
                                + " the context is full",
                        false);
            }
        }
        return null;
    }

    private static boolean isCut(StructVector output, int index) {
        return text((VarCharVector) output.getChild(RecordSchema.FINISH_REASON), index)
                .equals(FinishReason.LENGTH.text());
    }

    /** The first output as a value. */
    public AnswerParser.Parsed parsed(int row, AnswerParser parser) {
        ListVector outputs = (ListVector) root.getVector(RecordSchema.OUTPUTS);
        return parsed((StructVector) outputs.getDataVector(), outputs.getElementStartIndex(row), begun(row), parser);
    }

    private static AnswerParser.Parsed parsed(StructVector output, int index, String begun, AnswerParser parser) {
        String answer = text((VarCharVector) output.getChild(RecordSchema.TEXT), index);
        if (answer == null) {
            return new AnswerParser.Parsed(null, "the answer has no text");
        }
        return parser.parse(begun + answer, isCut(output, index));
    }

    /** What of a text the prompt holds already. */
    private String begun(int row) {
        VarCharVector begun = (VarCharVector) root.getVector(RecordSchema.BEGUN);
        return begun.isNull(row) ? "" : text(begun, row);
    }

    /**
     * The output columns of a row that has an answer, in the order of {@link OutputColumns#schema} from the text on.
     *
     * @param error what is wrong with the answer; null for nothing
     * @param parser null where there is no column for what it reads
     */
    List<Object> columns(int row, String model, RequestError error, OutputColumns.Asked asked, AnswerParser parser) {
        ListVector outputs = (ListVector) root.getVector(RecordSchema.OUTPUTS);
        StructVector output = (StructVector) outputs.getDataVector();
        int first = outputs.getElementStartIndex(row);
        boolean generated = outputs.getElementEndIndex(row) > first;
        BigIntVector seed = (BigIntVector) root.getVector(RecordSchema.SEED);
        List<Object> columns = new ArrayList<>();
        columns.add(generated ? text((VarCharVector) output.getChild(RecordSchema.TEXT), first) : null);
        columns.add(generated ? text((VarCharVector) output.getChild(RecordSchema.FINISH_REASON), first) : null);
        columns.add(RowFactory.create(
                usage(RecordSchema.PROMPT_TOKENS, row),
                usage(RecordSchema.COMPLETION_TOKENS, row),
                usage(RecordSchema.TOTAL_TOKENS, row),
                usage(RecordSchema.CACHED_TOKENS, row)));
        columns.add(error(error));
        columns.add(model);
        columns.add(seed.isNull(row) ? null : seed.get(row));
        if (generated) {
            addGenerated(row, columns, asked, parser);
        } else {
            addRead(row, columns, asked);
        }
        if (asked.has(OutputColumns.TURNS)) {
            columns.add(turns(row));
        }
        return columns;
    }

    private void addGenerated(int row, List<Object> columns, OutputColumns.Asked asked, AnswerParser parser) {
        ListVector outputs = (ListVector) root.getVector(RecordSchema.OUTPUTS);
        StructVector output = (StructVector) outputs.getDataVector();
        int first = outputs.getElementStartIndex(row);
        List<Object> more = more(output, first, begun(row), asked, parser);
        if (asked.has(OutputColumns.OUTPUTS)) {
            Row[] all = new Row[outputs.getElementEndIndex(row) - first];
            for (int i = 0; i < all.length; i++) {
                List<Object> values =
                        new ArrayList<>(i == 0 ? more : more(output, first + i, begun(row), asked, parser));
                if (asked.has(OutputColumns.TOOL_CALLS)) {
                    values.add(toolCalls(output, first + i));
                }
                all[i] = output(output, first + i, values);
            }
            columns.add(all);
        }
        columns.addAll(more);
        if (asked.has(OutputColumns.CHOICE_PROBABILITIES)) {
            columns.add(choiceProbabilities(row));
        }
        if (asked.has(OutputColumns.PROMPT_LOGPROBS)) {
            columns.add(promptLogprobs(row));
        }
        if (asked.has(OutputColumns.TOOL_CALLS)) {
            columns.add(toolCalls(output, first));
        }
    }

    /** The columns of a row whose prompt was read, and which has no text. */
    private void addRead(int row, List<Object> columns, OutputColumns.Asked asked) {
        if (asked.has(OutputColumns.LOGPROBS)) {
            columns.add(promptLogprobs(row));
        }
        if (asked.has(OutputColumns.SCORE)) {
            columns.add(score(row));
        }
        if (asked.has(OutputColumns.EMBEDDING)) {
            columns.add(embedding(row));
        }
    }

    /** Null for an answer that calls no tool. */
    private static Row[] toolCalls(StructVector output, int index) {
        ListVector list = (ListVector) output.getChild(RecordSchema.TOOL_CALLS);
        if (list.isNull(index)) {
            return null;
        }
        StructVector call = (StructVector) list.getDataVector();
        int start = list.getElementStartIndex(index);
        Row[] calls = new Row[list.getElementEndIndex(index) - start];
        for (int i = 0; i < calls.length; i++) {
            calls[i] = RowFactory.create(
                    text((VarCharVector) call.getChild(RecordSchema.ID), start + i),
                    "function",
                    RowFactory.create(
                            text((VarCharVector) call.getChild(RecordSchema.NAME), start + i),
                            text((VarCharVector) call.getChild(RecordSchema.ARGUMENTS), start + i)));
        }
        return calls;
    }

    private Row[] turns(int row) {
        ListVector list = (ListVector) root.getVector(RecordSchema.TURNS);
        StructVector turn = (StructVector) list.getDataVector();
        int start = list.getElementStartIndex(row);
        Row[] turns = new Row[list.getElementEndIndex(row) - start];
        for (int i = 0; i < turns.length; i++) {
            turns[i] = RowFactory.create(
                    text((VarCharVector) turn.getChild(RecordSchema.TOOL), start + i),
                    text((VarCharVector) turn.getChild(RecordSchema.INPUT), start + i),
                    text((VarCharVector) turn.getChild(RecordSchema.OUTPUT), start + i),
                    text((VarCharVector) turn.getChild(RecordSchema.ERROR), start + i),
                    ((IntVector) turn.getChild(RecordSchema.PROMPT_TOKENS)).get(start + i),
                    ((IntVector) turn.getChild(RecordSchema.COMPLETION_TOKENS)).get(start + i));
        }
        return turns;
    }

    private Row score(int row) {
        StructVector struct = (StructVector) root.getVector(RecordSchema.PROMPT_LOGPROBS);
        ListVector list = (ListVector) struct.getChild(RecordSchema.TOKEN_LOGPROBS);
        Float4Vector values = (Float4Vector) list.getDataVector();
        double sum = 0;
        for (int i = list.getElementStartIndex(row); i < list.getElementEndIndex(row); i++) {
            sum += values.get(i);
        }
        int tokens = list.getElementEndIndex(row) - list.getElementStartIndex(row);
        return RowFactory.create(sum, tokens, Math.exp(-sum / tokens));
    }

    /** The embedding of a row that asks for one. */
    float[] embedding(int row) {
        FixedSizeListVector list = (FixedSizeListVector) root.getVector(RecordSchema.EMBEDDING);
        Float4Vector values = (Float4Vector) list.getDataVector();
        float[] embedding = new float[list.getListSize()];
        for (int i = 0; i < embedding.length; i++) {
            embedding[i] = values.get(list.getElementStartIndex(row) + i);
        }
        return embedding;
    }

    /** Null if none were asked for. */
    private Row[] promptLogprobs(int row) {
        StructVector struct = (StructVector) root.getVector(RecordSchema.PROMPT_LOGPROBS);
        return logprobs(struct, (ListVector) struct.getChild(RecordSchema.TOKEN_IDS), row);
    }

    /** As a row has it; null for none. */
    static Row error(RequestError error) {
        return error == null ? null : RowFactory.create(error.code(), error.message(), error.retryable());
    }

    /** What an output has if it is asked for: log-probabilities, and the value that it is. */
    private List<Object> more(
            StructVector output, int index, String begun, OutputColumns.Asked asked, AnswerParser parser) {
        List<Object> more = new ArrayList<>();
        if (asked.has(OutputColumns.LOGPROBS)) {
            more.add(logprobs(
                    (StructVector) output.getChild(RecordSchema.LOGPROBS),
                    (ListVector) output.getChild(RecordSchema.TOKEN_IDS),
                    index));
        }
        if (parser != null) {
            AnswerParser.Parsed parsed = parsed(output, index, begun, parser);
            more.add(parsed.value());
            more.add(parsed.error());
        }
        return more;
    }

    /** How likely each of a row's choices is, in their order; null if it has none or has not asked. */
    private scala.collection.Map<String, Double> choiceProbabilities(int row) {
        ListVector list = (ListVector) root.getVector(RecordSchema.CHOICE_PROBABILITIES);
        if (list.isNull(row)) {
            return null;
        }
        StructVector element = (StructVector) list.getDataVector();
        Map<String, Double> probabilities = new LinkedHashMap<>();
        for (int i = list.getElementStartIndex(row); i < list.getElementEndIndex(row); i++) {
            probabilities.put(
                    text((VarCharVector) element.getChild(RecordSchema.CHOICE), i),
                    ((Float8Vector) element.getChild(RecordSchema.PROBABILITY)).get(i));
        }
        return CollectionConverters.asScala(probabilities);
    }

    private static Row output(StructVector output, int index, List<Object> more) {
        List<Object> values = new ArrayList<>();
        values.add(((IntVector) output.getChild(RecordSchema.INDEX)).get(index));
        values.add(text((VarCharVector) output.getChild(RecordSchema.TEXT), index));
        values.add(text((VarCharVector) output.getChild(RecordSchema.FINISH_REASON), index));
        values.addAll(more);
        return RowFactory.create(values.toArray());
    }

    /** @param tokenIds parallel to the log-probabilities */
    private Row[] logprobs(StructVector struct, ListVector tokenIds, int index) {
        if (struct.isNull(index)) {
            return null;
        }
        ListVector chosen = (ListVector) struct.getChild(RecordSchema.TOKEN_LOGPROBS);
        ListVector topIds = (ListVector) struct.getChild(RecordSchema.TOP_TOKEN_IDS);
        ListVector top = (ListVector) struct.getChild(RecordSchema.TOP_LOGPROBS);
        IntVector ids = (IntVector) tokenIds.getDataVector();
        Float4Vector values = (Float4Vector) chosen.getDataVector();
        Row[] tokens = new Row[chosen.getElementEndIndex(index) - chosen.getElementStartIndex(index)];
        for (int i = 0; i < tokens.length; i++) {
            int id = ids.get(tokenIds.getElementStartIndex(index) + i);
            tokens[i] = RowFactory.create(
                    id,
                    piece(id),
                    values.get(chosen.getElementStartIndex(index) + i),
                    alternatives(
                            (ListVector) topIds.getDataVector(),
                            topIds.getElementStartIndex(index) + i,
                            (ListVector) top.getDataVector(),
                            top.getElementStartIndex(index) + i));
        }
        return tokens;
    }

    private Row[] alternatives(ListVector ids, int idsIndex, ListVector logprobs, int logprobsIndex) {
        int idStart = ids.getElementStartIndex(idsIndex);
        int logprobStart = logprobs.getElementStartIndex(logprobsIndex);
        Row[] alternatives = new Row[ids.getElementEndIndex(idsIndex) - idStart];
        for (int i = 0; i < alternatives.length; i++) {
            int id = ((IntVector) ids.getDataVector()).get(idStart + i);
            float logprob = ((Float4Vector) logprobs.getDataVector()).get(logprobStart + i);
            alternatives[i] = RowFactory.create(id, piece(id), logprob);
        }
        return alternatives;
    }

    private String piece(int id) {
        return pieces.computeIfAbsent(id, tokenizer::piece);
    }

    /** Null where there is none. */
    private static String text(VarCharVector vector, int row) {
        return vector.isNull(row) ? null : vector.getObject(row).toString();
    }

    @Override
    public void close() {
        root.close();
    }
}
