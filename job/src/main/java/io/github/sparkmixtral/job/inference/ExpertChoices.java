package io.github.sparkmixtral.job.inference;

import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.cpu.RouterTrace;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.service.CompletionService;
import io.github.sparkmixtral.service.RowRequest;
import io.github.sparkmixtral.service.RowRequest.Field;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Which experts the model of this JVM's engine chooses for the tokens of prompts. */
public final class ExpertChoices {

    /** One row for each prompt, layer, token and chosen expert. */
    public static final StructType SCHEMA = new StructType()
            .add("prompt", DataTypes.IntegerType, false)
            .add("layer", DataTypes.IntegerType, false)
            .add("position", DataTypes.IntegerType, false)
            .add("token", DataTypes.StringType, false)
            .add("expert", DataTypes.IntegerType, false)
            .add("weight", DataTypes.FloatType, false);

    private ExpertChoices() {}

    /**
     * Rows of {@link #SCHEMA}, ordered by prompt, layer, position and falling weight.
     *
     * @throws JobException if a prompt cannot be asked, saying why
     */
    public static List<Row> of(GenerationOptions options, List<String> prompts, Configuration configuration) {
        try (ExecutorEngine.Lease engine = ExecutorEngine.lease(options.engine(), List.of(), configuration);
                CompletionService.Session session = AnsweredRows.open(engine, options, List.of())) {
            List<int[]> texts = new ArrayList<>();
            for (int prompt = 0; prompt < prompts.size(); prompt++) {
                texts.add(tokens(session, prompt, prompts.get(prompt)));
            }
            return texts.isEmpty()
                    ? List.of()
                    : rows(engine.model(), texts, options.engine().numThreads());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while the model was loaded", e);
        }
    }

    private static int[] tokens(CompletionService.Session session, int prompt, String text) {
        try {
            Field field = new Field("prompt", TextNode.valueOf(text));
            return session.promptTokens(new RowRequest(null, null, field, null, null, Map.of()));
        } catch (IllegalArgumentException invalid) {
            throw JobException.input("prompt " + prompt + " of the list: " + invalid.getMessage());
        }
    }

    private static List<Row> rows(Model model, List<int[]> texts, int threads) {
        int longest = texts.stream().mapToInt(text -> text.length).max().orElseThrow();
        Map<Integer, String> controls = model.tokenizer().controlTokens();
        List<Row> rows = new ArrayList<>();
        try (RouterTrace router = new RouterTrace(model, longest, threads, ExecutorMemory.limit())) {
            for (int prompt = 0; prompt < texts.size(); prompt++) {
                int[] tokens = texts.get(prompt);
                RouterTrace.Choices choices = router.trace(tokens);
                for (int layer = 0; layer < choices.experts().length; layer++) {
                    for (int position = 0; position < tokens.length; position++) {
                        int token = tokens[position];
                        int[] experts = choices.experts()[layer][position];
                        for (int choice = 0; choice < experts.length; choice++) {
                            rows.add(RowFactory.create(
                                    prompt,
                                    layer,
                                    position,
                                    controls.getOrDefault(
                                            token, model.tokenizer().piece(token)),
                                    experts[choice],
                                    choices.weights()[layer][position][choice]));
                        }
                    }
                }
            }
        }
        return rows;
    }
}
