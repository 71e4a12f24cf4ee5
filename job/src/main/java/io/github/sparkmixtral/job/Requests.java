package io.github.sparkmixtral.job;

import io.github.sparkmixtral.service.RecordSchema;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;

/** A record batch of requests, filled again and again. One thread at a time. */
final class Requests implements AutoCloseable {
    private final VectorSchemaRoot root;

    Requests(BufferAllocator allocator) {
        root = VectorSchemaRoot.create(RecordSchema.REQUESTS, allocator);
    }

    /** The batch with these rows and no others. */
    VectorSchemaRoot of(List<PromptRow> rows) {
        root.clear();
        for (int i = 0; i < rows.size(); i++) {
            PromptRow row = rows.get(i);
            set(RecordSchema.CUSTOM_ID, i, row.id());
            set(RecordSchema.PROMPT, i, row.prompt());
            set(RecordSchema.MESSAGES, i, row.messages());
            set(RecordSchema.TOOLS, i, row.tools());
            set(RecordSchema.PARAMETERS, i, row.parameters());
            set(RecordSchema.TASK, i, row.task().text());
        }
        root.setRowCount(rows.size());
        return root;
    }

    private void set(String column, int index, String value) {
        VarCharVector vector = (VarCharVector) root.getVector(column);
        if (value == null) {
            vector.setNull(index);
        } else {
            vector.setSafe(index, value.getBytes(StandardCharsets.UTF_8));
        }
    }

    @Override
    public void close() {
        root.close();
    }
}
