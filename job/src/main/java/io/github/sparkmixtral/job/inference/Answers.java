package io.github.sparkmixtral.job.inference;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.job.options.OutputColumns;
import io.github.sparkmixtral.service.RecordSchema;
import io.github.sparkmixtral.tokenizer.StreamDecoder;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.HashMap;
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
import org.apache.arrow.vector.complex.ListVector;
import org.apache.arrow.vector.complex.StructVector;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;

/** A record batch of completions, filled again and again, seen as the columns that the output gets. One thread at a time. */
public final class Answers implements AutoCloseable {
    private final VectorSchemaRoot root;
    private final Tokenizer tokenizer;

    /** Texts of tokens that were asked for. */
    private final Map<Integer, String> pieces = new HashMap<>();

    Answers(BufferAllocator allocator, Tokenizer tokenizer) {
        this.root = VectorSchemaRoot.create(RecordSchema.COMPLETIONS, allocator);
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

    private int usage(String field, int row) {
        return ((IntVector) ((StructVector) root.getVector(RecordSchema.USAGE)).getChild(field)).get(row);
    }

    /** The text of a row's first output. */
    public String text(int row) {
        ListVector outputs = (ListVector) root.getVector(RecordSchema.OUTPUTS);
        StructVector output = (StructVector) outputs.getDataVector();
        return text((VarCharVector) output.getChild(RecordSchema.TEXT), outputs.getElementStartIndex(row));
    }

    /** The output columns of a row that has an answer, in the order of {@link OutputColumns#schema} from the text on. */
    List<Object> columns(int row, String model, boolean severalOutputs, boolean logprobs) {
        ListVector outputs = (ListVector) root.getVector(RecordSchema.OUTPUTS);
        StructVector output = (StructVector) outputs.getDataVector();
        int first = outputs.getElementStartIndex(row);
        List<Object> columns = new ArrayList<>();
        columns.add(text((VarCharVector) output.getChild(RecordSchema.TEXT), first));
        columns.add(text((VarCharVector) output.getChild(RecordSchema.FINISH_REASON), first));
        columns.add(RowFactory.create(
                usage(RecordSchema.PROMPT_TOKENS, row),
                usage(RecordSchema.COMPLETION_TOKENS, row),
                usage(RecordSchema.TOTAL_TOKENS, row),
                usage(RecordSchema.CACHED_TOKENS, row)));
        columns.add(null);
        columns.add(model);
        columns.add(((BigIntVector) root.getVector(RecordSchema.SEED)).get(row));
        Row[] tokens = logprobs ? logprobs(output, first) : null;
        if (severalOutputs) {
            Row[] all = new Row[outputs.getElementEndIndex(row) - first];
            for (int i = 0; i < all.length; i++) {
                all[i] = output(output, first + i, logprobs, i == 0 ? tokens : null);
            }
            columns.add(all);
        }
        if (logprobs) {
            columns.add(tokens);
        }
        return columns;
    }

    /** @param tokens log-probabilities that are made already; null where they are not */
    private Row output(StructVector output, int index, boolean logprobs, Row[] tokens) {
        List<Object> values = new ArrayList<>();
        values.add(((IntVector) output.getChild(RecordSchema.INDEX)).get(index));
        values.add(text((VarCharVector) output.getChild(RecordSchema.TEXT), index));
        values.add(text((VarCharVector) output.getChild(RecordSchema.FINISH_REASON), index));
        if (logprobs) {
            values.add(tokens != null ? tokens : logprobs(output, index));
        }
        return RowFactory.create(values.toArray());
    }

    private Row[] logprobs(StructVector output, int index) {
        StructVector struct = (StructVector) output.getChild(RecordSchema.LOGPROBS);
        if (struct.isNull(index)) {
            return null;
        }
        ListVector tokenIds = (ListVector) output.getChild(RecordSchema.TOKEN_IDS);
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

    /** A token's text as it stands in the middle of a text; bytes of a broken character show as U+FFFD. */
    private String piece(int id) {
        return pieces.computeIfAbsent(id, _ -> {
            StreamDecoder decoder = tokenizer.decoder(Tokenizer.LeadingSpace.KEEP);
            decoder.append(id);
            decoder.finish();
            return decoder.text().toString();
        });
    }

    private static String text(VarCharVector vector, int row) {
        return vector.getObject(row).toString();
    }

    @Override
    public void close() {
        root.close();
    }
}
