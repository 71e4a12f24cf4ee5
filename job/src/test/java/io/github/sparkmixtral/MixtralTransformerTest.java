package io.github.sparkmixtral;

import static io.github.sparkmixtral.job.SparkFixture.MODEL;
import static io.github.sparkmixtral.job.SparkFixture.spark;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.ml.Transformer;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MixtralTransformerTest {
    private static final Dataset<Row> TABLE =
            spark().sql("SELECT 7 AS id, 'Name three rivers.' AS prompt, true AS kept");

    @TempDir
    Path directory;

    private static MixtralTransformer transformer() {
        return new MixtralTransformer()
                .setModel(MODEL.toString())
                .setTemperature(0)
                .setMaxTokens(6)
                .setStop(new String[] {"never,", "=never"})
                .setOutputCol("answer");
    }

    @Test
    void answersAsMixtralDoes() {
        Row answer = transformer().transform(TABLE).first();
        Mixtral mixtral =
                Mixtral.load(spark(), MODEL.toString()).with("temperature", 0).with("max_tokens", 6);
        assertThat(answer.<String>getAs("answer")).isEqualTo(mixtral.ask("Name three rivers."));
        assertThat(answer.<Boolean>getAs("kept")).isTrue();
    }

    @Test
    void tellsTheColumnsWithoutTheModel() {
        MixtralTransformer transformer = transformer().setN(2).setLogprobs(1);
        StructType told =
                transformer.copy(ParamMap.empty()).setModel("/nowhere").transformSchema(TABLE.schema());
        assertThat(told).isEqualTo(transformer.transform(TABLE).schema());
        assertThat(told.fieldNames())
                .contains("kept", "answer", "outputs", "logprobs")
                .doesNotContain("generated_text");
    }

    @Test
    void typesItsAnswers() {
        MixtralTransformer transformer = transformer()
                .setMaxTokens(100)
                .setRequireComplete(true)
                .setResponseFormat(
                        "{\"type\": \"json_object\", \"schema\": {\"type\": \"array\", \"items\": {\"enum\": [1, 2]}, \"maxItems\": 3}}")
                .setOutputColumnType("schema");
        StructType told = transformer.transformSchema(TABLE.schema());
        assertThat(told.apply("parsed").dataType().sql()).isEqualTo("ARRAY<BIGINT>");
        Dataset<Row> answers = transformer.transform(TABLE);
        assertThat(answers.schema()).isEqualTo(told);
        assertThat(answers.first().<String>getAs("parsed_error")).isNull();
        assertThat(answers.first().<Row>getAs("error")).isNull();
    }

    @Test
    void isSavedAndLoaded() throws Exception {
        MixtralTransformer saved = transformer().setSeed(1L << 40).setOptions("{\"presence_penalty\": 0.5}");
        saved.save(directory.resolve("stage").toString());
        MixtralTransformer loaded =
                MixtralTransformer.load(directory.resolve("stage").toString());
        assertThat(loaded.uid()).isEqualTo(saved.uid());
        assertThat(loaded.values()).isEqualTo(saved.values());
    }

    @Test
    void isAStageOfAPipeline() throws Exception {
        PipelineModel model =
                new Pipeline().setStages(new PipelineStage[] {transformer()}).fit(TABLE);
        model.save(directory.resolve("pipeline").toString());
        PipelineModel loaded = PipelineModel.load(directory.resolve("pipeline").toString());
        assertThat(loaded.transform(TABLE).first())
                .isEqualTo(transformer().transform(TABLE).first());
    }

    @Test
    void isCopiedWithChanges() {
        MixtralTransformer one = transformer();
        MixtralTransformer other = one.copy(new ParamMap().put(one.maxTokens(), 9));
        assertThat(one.values()).containsEntry("max_tokens", 6);
        assertThat(other.values()).containsEntry("max_tokens", 9).containsEntry("temperature", 0.0);
    }

    @Test
    void givesEveryParameterToTheOptionOfItsName() {
        MixtralTransformer all = transformer()
                .setMinTokens(1)
                .setTopP(0.9)
                .setTopK(40)
                .setMinP(0.1)
                .setRepetitionPenalty(1.1)
                .setSeed(3)
                .setN(1)
                .setLogprobs(0)
                .setSystemPrompt("Be brief.")
                .setPromptCol("prompt")
                .setMessagesCol("messages")
                .setIdCol("id")
                .setTask("chat")
                .setQuantization("none")
                .setBackend("cpu")
                .setMaxNumSeqs(8)
                .setKvCacheMemory("16m")
                .setOptions("{\"presence-penalty\": 0.5, \"output_columns\": {\"usage\": \"tokens\"}}");
        assertThat(all.transformSchema(TABLE.schema().add("messages", "string")).fieldNames())
                .contains("answer", "tokens");
        assertThat(new MixtralTransformer().setPromptTemplate("{prompt}").values())
                .containsEntry("prompt_template", "{prompt}");
    }

    @Test
    void refusesInTheWordsOfTheOptions() {
        refused(transformer().setTemperature(-1), "temperature must be at least 0 and finite, not -1");
        refused(transformer().setOptions("[1]"), "options must be a JSON object such as");
        refused(transformer().setOptions("{\"presence_penality\": 1}"), "did you mean presence_penalty?");
        refused(new MixtralTransformer(), "model is missing");
        refused(transformer().setIdCol("nowhere"), "id_column names nowhere");
    }

    private static void refused(MixtralTransformer transformer, String sentence) {
        assertThatThrownBy(() -> transformer.transformSchema(TABLE.schema()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(sentence);
    }

    /** What py4j sends: whole numbers as Integer, others as Double, lists as ArrayList. */
    @Test
    void takesWhatPythonSends() {
        MixtralTransformer transformer = new MixtralTransformer();
        transformer.set(transformer.getParam("model").w(MODEL.toString()));
        transformer.set(transformer.maxTokens().w(6));
        transformer.set(transformer.temperature().w(0.0));
        transformer.set(transformer.seed().w(3));
        transformer.set(transformer.stop().w(new ArrayList<>(List.of("never"))));
        assertThat(transformer.transform(TABLE).first().<String>getAs("generated_text"))
                .isEqualTo(transformer().transform(TABLE).first().<String>getAs("answer"));
        assertThat(transformer.values()).containsEntry("seed", 3L).containsEntry("stop", List.of("never"));
    }

    @Test
    void isFoundWhereSparkConnectLooks() {
        // Spark's own transformers cannot all be loaded here, without the libraries that they stand on.
        assertThat(ServiceLoader.load(Transformer.class).stream()
                        .filter(found -> found.type() == MixtralTransformer.class)
                        .findFirst())
                .isPresent();
    }
}
