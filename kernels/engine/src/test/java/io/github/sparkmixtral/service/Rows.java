package io.github.sparkmixtral.service;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;

/** Builds batches of requests for tests. */
final class Rows {
    private Rows() {}

    static Row prompt(String id, String prompt) {
        return new Row(id, prompt, null, null, null, null);
    }

    static Row prompt(String id, String prompt, String parameters) {
        return new Row(id, prompt, null, null, parameters, null);
    }

    static Row messages(String id, String messages) {
        return new Row(id, null, messages, null, null, null);
    }

    static Row tools(String id, String prompt, String tools) {
        return new Row(id, prompt, null, tools, null, null);
    }

    static Row task(String id, String prompt, String task) {
        return new Row(id, prompt, null, null, null, task);
    }

    static VectorSchemaRoot batch(BufferAllocator allocator, List<Row> rows) {
        VectorSchemaRoot root = VectorSchemaRoot.create(RecordSchema.REQUESTS, allocator);
        for (int i = 0; i < rows.size(); i++) {
            set(root, RecordSchema.CUSTOM_ID, i, rows.get(i).customId());
            set(root, RecordSchema.PROMPT, i, rows.get(i).prompt());
            set(root, RecordSchema.MESSAGES, i, rows.get(i).messages());
            set(root, RecordSchema.TOOLS, i, rows.get(i).tools());
            set(root, RecordSchema.PARAMETERS, i, rows.get(i).parameters());
            set(root, RecordSchema.TASK, i, rows.get(i).task());
        }
        root.setRowCount(rows.size());
        return root;
    }

    private static void set(VectorSchemaRoot root, String column, int row, String value) {
        if (value != null) {
            ((VarCharVector) root.getVector(column)).setSafe(row, value.getBytes(StandardCharsets.UTF_8));
        }
    }
}
