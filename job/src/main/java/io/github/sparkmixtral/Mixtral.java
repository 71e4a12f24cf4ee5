package io.github.sparkmixtral;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.job.inference.ExecutorEngine;
import io.github.sparkmixtral.job.inference.ExpertChoices;
import io.github.sparkmixtral.job.inference.Generation;
import io.github.sparkmixtral.job.inference.RunLimits;
import io.github.sparkmixtral.job.inference.SinglePrompt;
import io.github.sparkmixtral.job.input.Input;
import io.github.sparkmixtral.job.input.TableInput;
import io.github.sparkmixtral.job.options.ChatTemplateOption;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.job.options.GenerationArguments;
import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.service.RowRequest.Field;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Mixtral over tables: a table of prompts in, the same table with answers out.
 *
 * <pre>{@code
 * Mixtral m = Mixtral.load(spark, "/models/mixtral.gguf").with("temperature", 0).with("max_tokens", 64);
 * Dataset<Row> answers = m.generate(spark.table("questions"));
 * String text = m.ask("Name three rivers.");
 * }</pre>
 *
 * <p>An instance holds settings, not the model: each executor loads the model when its first task needs it, and keeps it for every
 * table and every instance with the same model and engine sizes. So {@link #with} is cheap, and changing a sampling option loads
 * nothing again.
 *
 * <p>Nothing here writes, prints, ends the JVM or changes a setting of the session. Instances are immutable and may be used by many
 * threads.
 */
public final class Mixtral implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Mixtral.class);
    private static final JsonMapper JSON = new JsonMapper();

    private final SparkSession spark;
    private final Map<String, Object> values;
    private final GenerationOptions options;
    private final ModelDescription model;

    private Mixtral(SparkSession spark, Map<String, Object> values, GenerationOptions options, ModelDescription model) {
        this.spark = spark;
        this.values = Collections.unmodifiableMap(values);
        this.options = options;
        this.model = model;
    }

    /**
     * A piece of text as the model sees it.
     *
     * @param id in the model's vocabulary
     * @param text U+FFFD for the bytes of a broken character
     */
    public record Token(int id, String text) {}

    /**
     * Names a model and checks its headers; its weights are loaded where they are first needed.
     *
     * @param model directory (Hugging Face's layout or Mistral's) or GGUF file: a local path that every executor has, a URI that Hadoop
     *     opens ({@code hdfs://}, {@code s3a://}), or a model of the Hugging Face Hub ({@code owner/name@revision}); the last two are
     *     fetched once per host
     * @throws ModelException where it is no Mixtral, or cannot be read
     */
    public static Mixtral load(SparkSession spark, String model) {
        return load(spark, model, Map.of());
    }

    /**
     * The same with options.
     *
     * @param values as for {@link #with(String, Object)}
     * @throws IllegalArgumentException naming the option, its value and what is wanted
     * @throws ModelException where the model is no Mixtral, or cannot be read
     */
    public static Mixtral load(SparkSession spark, String model, Map<String, ?> values) {
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("model", model);
        values.forEach((name, value) -> all.put(name.replace('-', '_'), value));
        return of(spark, all);
    }

    /** With the model among the options. */
    static Mixtral load(SparkSession spark, Map<String, Object> values) {
        return of(spark, values);
    }

    /**
     * The columns that {@link #generate} gives a table with those columns, without a look at the model.
     *
     * @throws IllegalArgumentException as there
     */
    static StructType schema(StructType table, Map<String, Object> values) {
        GenerationOptions options = GenerationArguments.resolve(values);
        return asked(() -> TableInput.schema(table, options));
    }

    private static Mixtral of(SparkSession spark, Map<String, Object> values) {
        GenerationOptions named = GenerationArguments.resolve(values);
        Configuration configuration = spark.sessionState().newHadoopConf();
        EngineIdentity engine = named.engine().pinned(configuration, LOG::info);
        GenerationOptions options = named.on(engine);
        ModelDescription model =
                engine.models(configuration, LOG::info).describe(engine.model(), engine.quantization());
        return new Mixtral(spark, values, checked(options, model), model);
    }

    private static GenerationOptions checked(GenerationOptions options, ModelDescription model) {
        int most = model.config().maxPositions();
        if (options.engine().maxModelLen() > most) {
            throw new IllegalArgumentException("max_model_len must be at most " + most + ", the model's own limit, not "
                    + options.engine().maxModelLen());
        }
        try {
            LOG.info("{}", ChatTemplateOption.described(model, options.defaults()));
        } catch (JobException e) {
            throw new IllegalArgumentException(OptionValues.inApiSpelling(e.getMessage()), e);
        }
        return options;
    }

    /**
     * The same with one option changed. Names, types, defaults and checks are those of the command line ({@code spark-mixtral
     * --help}), with underscores: {@code temperature}, {@code max_tokens}, {@code top_p}, {@code seed}, {@code stop}, {@code
     * logprobs}, {@code n}, {@code system_prompt}, {@code safe_prompt}, {@code prompt_template}, {@code prompt_column}, {@code messages_column}, {@code
     * id_column}, {@code parameter_columns}, {@code drop_columns}, {@code output_columns}, {@code response_format}, {@code output_column_type}, {@code require_complete}, {@code task}, {@code quantization}, {@code backend}, {@code max_num_seqs}, ….
     *
     * @param value a number, a text, a boolean, a list, or for {@code logit_bias}, {@code output_columns} and {@code response_format} a map; null for the
     *     default
     * @throws IllegalArgumentException naming the option, its value and what is wanted
     */
    public Mixtral with(String name, Object value) {
        return with(Collections.singletonMap(name, value));
    }

    /** The same with several options changed; see {@link #with(String, Object)}. */
    public Mixtral with(Map<String, ?> changed) {
        Map<String, Object> all = new LinkedHashMap<>(values);
        changed.forEach((name, value) -> {
            String known = name.replace('-', '_');
            if (value == null) {
                all.remove(known);
            } else {
                all.put(known, value);
            }
        });
        GenerationOptions resolved = GenerationArguments.resolve(all);
        if (Objects.equals(all.get("model"), values.get("model"))) {
            resolved = resolved.on(resolved.engine().withModel(options.engine().model()));
        }
        boolean sameModel = resolved.engine().model().equals(options.engine().model())
                && resolved.engine().quantization().equals(options.engine().quantization());
        return sameModel ? new Mixtral(spark, all, checked(resolved, model), model) : of(spark, all);
    }

    /** The options that were given, by name; secrets in the model's URI left out. */
    public Map<String, Object> options() {
        Map<String, Object> shown = new LinkedHashMap<>(values);
        shown.replaceAll((_, value) -> value instanceof String text ? Redaction.redact(text) : value);
        return Collections.unmodifiableMap(shown);
    }

    /**
     * Answers a table: all of its columns, in its order, and those of the answers ({@code custom_id}, {@code generated_text}, {@code
     * finish_reason}, {@code usage}, {@code error}, {@code model}, {@code seed}; {@code outputs} and {@code logprobs} if several
     * answers or log-probabilities are asked for, or may be because the table has columns {@code n} or {@code logprobs}; {@code
     * parsed} and {@code parsed_error} with the option {@code output_column_type}; {@code choice_probabilities} if answers are one of
     * several strings and log-probabilities are asked for, or either may be because the table has such columns; {@code tool_calls} if
     * rows may bring tools; {@code turns} with the task agent). The
     * option {@code output_columns} gives them other names.
     *
     * <p>A row asks with {@code prompt} or {@code messages}, or as the options {@code prompt_column}, {@code messages_column} and
     * {@code prompt_template} say; columns that are called like a sampling parameter, and have its type, hold the row's own (see {@code
     * parameter_columns}). A column that has an answer's name is called {@code input_…}. A row that cannot be
     * answered has an {@code error} that says why; it never fails the query. What is drawn depends on seed, id ({@code custom_id},
     * {@code id}, or the option {@code id_column}) and prompt alone; without an id column equal prompts are answered alike.
     *
     * <p>Lazy: the model runs when the result is used, and again whenever it is used again, as with any Dataset. Cache or write it
     * to keep it.
     *
     * @throws IllegalArgumentException where the columns are no table of prompts, saying what to do
     */
    public Dataset<Row> generate(Dataset<Row> table) {
        return asked(() -> {
            Input input = TableInput.of(table, options);
            return Generation.answers(
                    input.rows(),
                    input,
                    options,
                    table.sparkSession().sessionState().newHadoopConf(),
                    RunLimits.NONE,
                    null);
        });
    }

    /**
     * Answers one prompt in this JVM, which loads the model if it has not (in local mode it is the executors' own).
     *
     * @throws IllegalArgumentException where it cannot be asked, such as a prompt that is longer than the context
     * @throws ModelException where the model cannot be loaded here
     */
    public String ask(String prompt) {
        return answer(new Field("prompt", TextNode.valueOf(prompt)), null);
    }

    /**
     * Answers a conversation in this JVM.
     *
     * @param messages oldest first, each with {@code role} ({@code system}, {@code user}, {@code assistant}) and {@code content}; a
     *     last one of the assistant is continued
     * @throws IllegalArgumentException where it cannot be asked
     * @throws ModelException where the model cannot be loaded here
     */
    public String chat(List<? extends Map<String, ?>> messages) {
        JsonNode json = JSON.valueToTree(messages);
        return answer(null, new Field("messages", json));
    }

    private String answer(Field prompt, Field messages) {
        requireNoPassages();
        return asked(() -> SinglePrompt.answer(
                options, prompt, messages, spark.sessionState().newHadoopConf()));
    }

    private void requireNoPassages() {
        if (options.columns().context() != null) {
            throw new IllegalArgumentException(
                    "context_index has no meaning for a single prompt: generate answers a table with passages");
        }
    }

    /** A text as the model's tokens, without the beginning of the sequence; their number is what a prompt's length is counted in. */
    public List<Token> tokens(String text) {
        Tokenizer tokenizer = model.tokenizer();
        List<Token> tokens = new ArrayList<>();
        for (int id : tokenizer.encode(text)) {
            tokens.add(new Token(id, tokenizer.piece(id)));
        }
        return tokens;
    }

    /**
     * Shows which experts the model chooses for the tokens of prompts: one row for each prompt, layer, token and chosen expert, with the
     * columns {@code prompt} (index in the list), {@code layer}, {@code position} (of the token, from 0), {@code token} (its text, control
     * tokens by their names), {@code expert} and {@code weight} (what the expert's output is multiplied by; those of one token in one layer
     * sum to 1). A token's rows have the expert with the larger weight first.
     *
     * <p>The prompts are rendered as {@link #ask} does, and run in this JVM on the CPU, whatever the option {@code backend} says. Beside
     * the engine that answers, this takes the memory of a second one until it returns. An engine that rounds otherwise may now and
     * then choose another expert where two are almost equally likely.
     *
     * @throws IllegalArgumentException if a prompt cannot be asked
     * @throws ModelException if the model cannot be loaded here
     */
    public Dataset<Row> experts(List<String> prompts) {
        requireNoPassages();
        return spark.createDataFrame(
                asked(() ->
                        ExpertChoices.of(options, prompts, spark.sessionState().newHadoopConf())),
                ExpertChoices.SCHEMA);
    }

    /**
     * Frees the memory that the model takes in this JVM, unless a query is using it. The instance stays usable: what needs the
     * model loads it again. Executors elsewhere free theirs with their JVM, or when another model needs the room.
     */
    @Override
    public void close() {
        ExecutorEngine.closeIdle(options.engine());
    }

    private static <T> T asked(Supplier<T> question) {
        try {
            return question.get();
        } catch (JobException e) {
            throw new IllegalArgumentException(OptionValues.inApiSpelling(e.getMessage()), e);
        }
    }

    @Override
    public String toString() {
        return "Mixtral" + options();
    }
}
