package io.github.sparkmixtral.service;

import java.nio.charset.StandardCharsets;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;

/** Reads rows out of a batch of {@link RecordSchema#REQUESTS}; a view, valid as long as the batch. */
final class RequestRows {
    private final int count;
    private final VarCharVector customId;
    private final VarCharVector prompt;
    private final VarCharVector messages;
    private final VarCharVector tools;
    private final VarCharVector parameters;
    private final VarCharVector task;

    /**
     * Finds the columns.
     *
     * @throws IllegalArgumentException where {@code custom_id} is missing or has nulls, or a column is not utf8
     */
    RequestRows(VectorSchemaRoot root) {
        count = root.getRowCount();
        customId = column(root, RecordSchema.CUSTOM_ID);
        prompt = column(root, RecordSchema.PROMPT);
        messages = column(root, RecordSchema.MESSAGES);
        tools = column(root, RecordSchema.TOOLS);
        parameters = column(root, RecordSchema.PARAMETERS);
        task = column(root, RecordSchema.TASK);
        if (customId == null) {
            throw new IllegalArgumentException("the batch has no column " + RecordSchema.CUSTOM_ID);
        }
        for (int row = 0; row < count; row++) {
            if (customId.isNull(row)) {
                throw new IllegalArgumentException(RecordSchema.CUSTOM_ID + " is null in row " + row + " of the batch");
            }
        }
    }

    int count() {
        return count;
    }

    Row row(int index) {
        return new Row(
                text(customId, index),
                text(prompt, index),
                text(messages, index),
                text(tools, index),
                text(parameters, index),
                text(task, index));
    }

    private static VarCharVector column(VectorSchemaRoot root, String name) {
        FieldVector vector = root.getVector(name);
        if (vector == null || vector instanceof VarCharVector) {
            return (VarCharVector) vector;
        }
        throw new IllegalArgumentException(
                "the column " + name + " must be utf8, not " + vector.getField().getType());
    }

    private static String text(VarCharVector column, int index) {
        return column == null || column.isNull(index) ? null : new String(column.get(index), StandardCharsets.UTF_8);
    }
}
