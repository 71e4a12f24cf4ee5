package io.github.sparkmixtral.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.agent.Agent;
import io.github.sparkmixtral.agent.AgentOptions;
import io.github.sparkmixtral.agent.AgentTool;
import io.github.sparkmixtral.agent.Dialogue;
import io.github.sparkmixtral.agent.Reply;
import io.github.sparkmixtral.agent.Toolbox;
import io.github.sparkmixtral.chat.ChatFormat;
import io.github.sparkmixtral.chat.ChatMessage;
import io.github.sparkmixtral.engine.FinishReason;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.service.CompletionService;
import io.github.sparkmixtral.service.CompletionService.Session;
import io.github.sparkmixtral.service.RecordSchema;
import io.github.sparkmixtral.service.RequestDefaults;
import io.github.sparkmixtral.service.RowRequest;
import io.github.sparkmixtral.service.RowRequest.Field;
import io.github.sparkmixtral.service.Task;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;

/**
 * Rows for an agent with one tool, which takes its time, and the two ways to answer them.
 *
 * @param random whether the model's weights are: its tool takes one of a few letters then, so that calls end
 */
record AgentRows(AgentOptions options, SamplingParameters parameters, boolean random, double toolSeconds) {
    /** What the demo's model has learned to call. */
    static final String TOOL = "Search";

    private static final JsonMapper JSON = new JsonMapper();

    /**
     * How it went.
     *
     * @param answers of the rows, in their order
     * @param turns requests of all rows
     */
    record Run(double seconds, List<String> answers, int turns) {}

    /** Says the same to the same question, after a time that the question decides. */
    private record SlowSearch(boolean random, double meanSeconds) implements AgentTool {
        @Override
        public String name() {
            return TOOL;
        }

        @Override
        public String description() {
            return "a query";
        }

        @Override
        public String inputSchema() {
            return random ? "{\"enum\": [\"a\", \"b\", \"c\", \"d\", \"e\"]}" : AgentTool.super.inputSchema();
        }

        @Override
        public String example() {
            return random ? null : "\"weather in Rome\"";
        }

        @Override
        public String call(JsonNode input) throws InterruptedException {
            double uniform = new SplittableRandom(input.asText().hashCode()).nextDouble();
            Thread.sleep((long) (-1000 * meanSeconds * Math.log(1 - uniform)));
            return "The " + input.asText() + " is Fax Grend.";
        }
    }

    private static RowRequest question(int row, boolean random) {
        // Of the demo's questions one in four needs no search.
        String question = row % 4 == 0 && !random
                ? "Hello, I am Sam" + row + "."
                : "Who leads " + (char) ('A' + row % 26) + "ol" + row + " Bank?";
        return new RowRequest("row-" + row, null, field("prompt", TextNode.valueOf(question)), null, null, Map.of());
    }

    private static Field field(String name, JsonNode value) {
        return new Field(name, value);
    }

    private List<AgentTool> tools() {
        return List.of(new SlowSearch(random, toolSeconds));
    }

    /** All turns of all rows in one batch. */
    Run continuously(CompletionService service, int rows) throws InterruptedException {
        RequestDefaults defaults = new RequestDefaults(parameters, options);
        try (BufferAllocator allocator = new RootAllocator();
                Session session = service.open(defaults, tools());
                VectorSchemaRoot batch = VectorSchemaRoot.create(RecordSchema.COMPLETIONS, allocator)) {
            long start = System.nanoTime();
            for (int row = 0; row < rows; row++) {
                session.submit(row, question(row, random));
            }
            List<String> answers = new ArrayList<>();
            int turns = 0;
            while (session.read(batch, rows) > 0) {
                for (int row = 0; row < batch.getRowCount(); row++) {
                    answers.add(output(batch, row).get(RecordSchema.FINISH_REASON) + ": "
                            + output(batch, row).get(RecordSchema.TEXT));
                    turns += ((List<?>) batch.getVector(RecordSchema.TURNS).getObject(row)).size();
                }
            }
            return new Run((System.nanoTime() - start) / 1e9, answers, turns);
        }
    }

    private static Map<?, ?> output(VectorSchemaRoot batch, int row) {
        return (Map<?, ?>) ((List<?>) batch.getVector(RecordSchema.OUTPUTS).getObject(row)).getFirst();
    }

    /** A batch of all rows' first turns, then all their tools, then a batch of all second turns, and so on. */
    Run turnByTurn(CompletionService service, Model model, int rows) throws InterruptedException {
        ChatFormat format = ChatFormat.choose(
                        model.tokenizer(), model.description().chatTemplates(), null)
                .format();
        Agent agent = Agent.of(options, Toolbox.of(options, tools()), format);
        Map<Integer, Dialogue> open = new LinkedHashMap<>();
        for (int row = 0; row < rows; row++) {
            open.put(row, agent.begin(question(row, random).prompt().value().textValue()));
        }
        String[] answers = new String[rows];
        int turns = 0;
        long start = System.nanoTime();
        try (BufferAllocator allocator = new RootAllocator();
                ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
                Session session = service.open(new RequestDefaults(Task.CHAT, null, parameters));
                VectorSchemaRoot batch = VectorSchemaRoot.create(RecordSchema.COMPLETIONS, allocator)) {
            for (int turn = 1; !open.isEmpty(); turn++) {
                turns += open.size();
                Map<Integer, Reply> replies = replies(session, batch, open, turn);
                Map<Integer, Future<String>> steps = new LinkedHashMap<>();
                replies.forEach((row, reply) -> {
                    Dialogue dialogue = open.get(row);
                    steps.put(
                            row,
                            threads.submit(() -> dialogue.take(reply, 0, 0)
                                    .map(outcome -> outcome.reason().text() + ": " + outcome.answer())
                                    .orElse(null)));
                });
                for (Map.Entry<Integer, Future<String>> step : steps.entrySet()) {
                    answers[step.getKey()] = result(step.getValue());
                    if (answers[step.getKey()] != null) {
                        open.remove(step.getKey());
                    }
                }
            }
        }
        return new Run((System.nanoTime() - start) / 1e9, List.of(answers), turns);
    }

    private static String result(Future<String> step) throws InterruptedException {
        try {
            return step.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException("a turn has failed", e.getCause());
        }
    }

    private static Map<Integer, Reply> replies(
            Session session, VectorSchemaRoot batch, Map<Integer, Dialogue> open, int turn)
            throws InterruptedException {
        for (Map.Entry<Integer, Dialogue> row : open.entrySet()) {
            ArrayNode messages = JSON.createArrayNode();
            for (ChatMessage message : row.getValue().asked().messages()) {
                messages.addObject().put("role", message.role().text()).put("content", message.content());
            }
            JsonNode schema = TextNode.valueOf(row.getValue().constraint().text());
            String id = "row-" + row.getKey() + (turn == 1 ? "" : "/turn-" + turn);
            session.submit(
                    row.getKey(),
                    new RowRequest(
                            id,
                            null,
                            null,
                            field("messages", messages),
                            null,
                            Map.of("structured_outputs", JSON.createObjectNode().set("json", schema))));
        }
        Map<Integer, Reply> replies = new LinkedHashMap<>();
        while (session.read(batch, open.size()) > 0) {
            for (int row = 0; row < batch.getRowCount(); row++) {
                Map<?, ?> output = output(batch, row);
                boolean cut = output.get(RecordSchema.FINISH_REASON).toString().equals(FinishReason.LENGTH.text());
                int number = ((Long) batch.getVector(RecordSchema.ROW).getObject(row)).intValue();
                replies.put(number, new Reply(output.get(RecordSchema.TEXT).toString(), List.of(), null, cut));
            }
        }
        return replies;
    }
}
