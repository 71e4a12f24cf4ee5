package io.github.sparkmixtral.sql;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.fault.RootCause;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.execution.SparkPlan;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.Trigger;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import scala.jdk.javaapi.CollectionConverters;

/** {@code ai_query} on the demo model: what it answers, and how often it asks. */
class AiQueryTest {
    private static final String CALL =
            "ai_query('demo', prompt, modelParameters => named_struct('max_tokens', 4, 'temperature', 0.0))";
    private static final int ROWS = 40;

    private static SparkSession spark;

    @TempDir
    private Path directory;

    @BeforeAll
    static void makeTable() {
        spark = SparkFixture.spark().newSession();
        spark.conf().set("spark.mixtral.models.demo", SparkFixture.MODEL.toString());
        spark.range(0, ROWS, 1, 3)
                .selectExpr("id", "concat('copy ', id) as prompt", "id % 4 as kind")
                .createOrReplaceTempView("prompts");
    }

    /** Runs it, and counts the answers that its operators gave. */
    private static long answers(Dataset<Row> query) {
        query.collectAsList();
        return count(((org.apache.spark.sql.classic.Dataset<Row>) query)
                .queryExecution()
                .executedPlan());
    }

    private static long count(SparkPlan plan) {
        long own = plan instanceof AiQueryExec exec
                ? exec.metrics().apply("numAnswers").value()
                : 0;
        List<SparkPlan> parts = new ArrayList<>(CollectionConverters.asJava(plan.children()));
        parts.addAll(CollectionConverters.asJava(plan.subqueries()));
        if (plan instanceof org.apache.spark.sql.execution.adaptive.AdaptiveSparkPlanExec adaptive) {
            parts.add(adaptive.executedPlan());
        } else if (plan instanceof org.apache.spark.sql.execution.adaptive.QueryStageExec stage) {
            parts.add(stage.plan());
        }
        return own + parts.stream().mapToLong(AiQueryTest::count).sum();
    }

    private static List<String> column(String sql) {
        return spark.sql(sql).collectAsList().stream()
                .map(row -> row.getString(0))
                .toList();
    }

    @Test
    void textsAreThoseOfTheCommandLineInTheOrderOfTheRows() throws IOException {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            lines.add("{\"id\": " + (100 + i) + ", \"prompt\": \"copy " + i + "\"}");
        }
        Path input = SparkFixture.write(directory.resolve("p.jsonl"), lines.toArray(String[]::new));
        assertThat(SparkFixture.generate(input, directory.resolve("out"))
                        .exitCode()
                        .value())
                .isZero();
        List<String> expected = SparkFixture.rows(directory.resolve("out")).stream()
                .map(row -> row.<String>getAs("generated_text"))
                .toList();

        assertThat(column("select " + CALL + " from prompts")).isEqualTo(expected);
        assertThat(column("select " + CALL + " from prompts order by id")).isEqualTo(expected);
    }

    @Test
    void literalRowsAreAnsweredAsThoseOfATable() {
        String expected =
                column("select " + CALL + " from prompts where id = 7").getFirst();
        assertThat(column("select " + CALL + " from values ('copy 7'), (null) as rows(prompt)"))
                .containsExactly(expected, null);
        assertThat(answers(spark.sql("select answer from (select " + CALL
                        + " as answer from values ('copy 7'), ('copy 8') as rows(prompt)) where answer is not null")))
                .isEqualTo(2);
    }

    @Test
    void asksOnceForWhatIsNeededAndNotForMore() {
        String all = "select id, kind, " + CALL + " as answer from prompts";
        assertThat(answers(spark.sql(all))).isEqualTo(ROWS);
        assertThat(answers(spark.sql("select " + CALL + " a, " + CALL + " b from prompts")))
                .isEqualTo(ROWS);
        assertThat(answers(spark.sql("select id from prompts where id < 10 and " + CALL + " is not null")))
                .isEqualTo(10);
        assertThat(answers(spark.sql("select * from (" + all + ") where kind = 1")))
                .isEqualTo(10);
        assertThat(answers(spark.sql("select id from (" + all + ")"))).isZero();
        assertThat(answers(spark.sql("select * from (" + all + ") where answer <> ''")))
                .isEqualTo(ROWS);
        assertThat(answers(spark.sql("select count(*) from (" + all + ")"))).isZero();
        assertThat(answers(spark.sql("with a as (" + all + ") select * from a x join a y on x.id = y.id")))
                .isBetween((long) ROWS, 2L * ROWS);
    }

    @Test
    void limitGoesBelow() {
        // Each partition gives up to its limit, and Spark takes as few partitions as it needs.
        assertThat(answers(spark.sql("select " + CALL + " from prompts limit 5")))
                .isBetween(5L, 15L);
    }

    @Test
    void differentCallsNestedCallsAndExpressionsAroundThem() {
        Row row = spark.sql("select " + CALL
                        + ", ai_query('demo', upper(prompt), named_struct('max_tokens', 2, 'temperature', 0)),"
                        + " ai_query('demo', " + CALL + ", named_struct('max_tokens', 3, 'temperature', 0)),"
                        + " length(" + CALL + ") + 1, case when id > 5 then " + CALL + " end from prompts where id = 7")
                .head();

        assertThat(row.getString(0)).isNotEmpty();
        assertThat(row.getString(1)).isNotNull();
        assertThat(row.getString(2)).isNotNull();
        assertThat(row.getInt(3)).isEqualTo(row.getString(0).length() + 1);
        assertThat(row.getString(4)).isEqualTo(row.getString(0));
    }

    @Test
    void groupsOrderAndDistinct() {
        assertThat(spark.sql(
                                "select kind, ai_query('demo', concat('copy ', kind), named_struct('max_tokens', 2, 'temperature',"
                                        + " 0.0)) a, count(*) from prompts group by kind")
                        .count())
                .isEqualTo(4);
        assertThat(spark.sql("select " + CALL + " a, count(*) from prompts group by 1")
                        .count())
                .isPositive();
        assertThat(spark.sql("select distinct " + CALL + " from prompts").count())
                .isPositive();
        assertThat(spark.sql("select id, " + CALL + " a from prompts order by a, id")
                        .count())
                .isEqualTo(ROWS);
        assertThat(answers(spark.sql("select max(a) from (select " + CALL + " a from prompts)")))
                .isEqualTo(ROWS);
    }

    @Test
    void tablesViewsCachesAndUnions() {
        String table = "answers_" + System.nanoTime();
        spark.sql("create table " + table + " using parquet as select id, " + CALL + " as answer from prompts");
        spark.sql("insert into " + table + " select id + 100, " + CALL + " from prompts where id < 3");
        assertThat(spark.table(table).filter("answer is not null").count()).isEqualTo(ROWS + 3);
        spark.sql("create or replace temp view answered as select id, " + CALL + " as answer from prompts");
        assertThat(answers(spark.sql("select * from answered where id = 3"))).isEqualTo(1);
        Dataset<Row> cached = spark.table("answered").cache();
        assertThat(cached.count()).isEqualTo(ROWS);
        assertThat(cached.filter("answer is not null").count()).isEqualTo(ROWS);
        cached.unpersist();
        assertThat(answers(spark.sql(
                        "select " + CALL + " from prompts union all select " + CALL + " from prompts where id = 1")))
                .isEqualTo(ROWS + 1);
        assertThat(answers(spark.sql("select /*+ REPARTITION(2) */ id, " + CALL + " from prompts")))
                .isEqualTo(ROWS);
        assertThat(answers(spark.sql("select id, (select max(a) from (select " + CALL
                        + " a from prompts where id = 2)) from prompts")))
                .isEqualTo(1);
        spark.sql("drop table " + table);
    }

    @Test
    void dataFrameFunctionsAndStreams() throws Exception {
        assertThat(spark.table("prompts").selectExpr(CALL).count()).isEqualTo(ROWS);
        assertThat(spark.table("prompts")
                        .select(org.apache.spark.sql.functions.call_function(
                                "ai_query",
                                org.apache.spark.sql.functions.lit("demo"),
                                org.apache.spark.sql.functions.col("prompt")))
                        .schema()
                        .apply(0)
                        .dataType()
                        .simpleString())
                .isEqualTo("string");
        Path stream = Files.createDirectories(directory.resolve("stream"));
        spark.table("prompts").limit(6).coalesce(1).write().mode("append").parquet(stream.toString());
        StreamingQuery query = spark.readStream()
                .schema("id bigint, prompt string, kind bigint")
                .parquet(stream.toString())
                .selectExpr("id", CALL + " as answer")
                .writeStream()
                .format("memory")
                .queryName("streamed")
                .trigger(Trigger.AvailableNow())
                .start();
        assertThat(query.awaitTermination(TimeUnit.MINUTES.toMillis(2))).isTrue();
        assertThat(spark.table("streamed").filter("answer is not null").count()).isEqualTo(6);
    }

    @Test
    void parametersMayDifferFromRowToRow() {
        List<Row> rows = spark.sql(
                        "select id, ai_query('demo', 'Count from 1 to 9.', modelParameters => named_struct('max_tokens', id + 1,"
                                + " 'temperature', 0.0, 'ignore_eos', true, 'stop', array('zzz'))) from prompts where id < 4 order by id")
                .collectAsList();

        assertThat(rows.get(3).getString(1))
                .startsWith(rows.get(0).getString(1))
                .isNotEqualTo(rows.get(0).getString(1));
    }

    @Test
    void errorsFailTheQueryOrBecomeAColumn() {
        String wrong = "ai_query('demo', if(id = 1, '', prompt), named_struct('max_tokens', 2, 'temperature', 0.0)";
        assertThatThrownBy(() -> spark.sql("select " + wrong + ") from prompts").collectAsList())
                .satisfies(thrown -> assertThat(RootCause.of(thrown).getMessage())
                        .isEqualTo(
                                "ai_query: prompt is empty (invalid_prompt); failOnError => false gives a struct with the error"
                                        + " instead"));
        List<Row> rows = spark.sql("select r.response, r.errorMessage from (select id, " + wrong
                        + ", failOnError => false) r from prompts) order by id")
                .collectAsList();
        assertThat(rows.get(1).getString(1)).isEqualTo("prompt is empty");
        assertThat(rows.get(1).isNullAt(0)).isTrue();
        assertThat(rows.get(0).getString(0)).isNotNull();
        assertThat(rows.get(0).isNullAt(1)).isTrue();
        assertThat(spark.sql("select ai_query('demo', cast(null as string)), ai_query('demo', null)")
                        .head()
                        .isNullAt(0))
                .isTrue();
    }

    @Test
    void wrongCallsAreToldBeforeAnythingRuns() {
        List<List<String>> faults = List.of(
                List.of(
                        "ai_query('nobody', prompt)",
                        "there is no model nobody: give a path, or set spark.mixtral.models.<name>; names are demo"),
                List.of("ai_query('demo', 5)", "the prompt must be a text, not int: cast it to string"),
                List.of("ai_query(prompt, prompt)", "the model must be a literal text"),
                List.of(
                        "ai_query('demo', prompt, named_struct('max_token', 5))",
                        "modelParameters has no parameter max_token"),
                List.of("ai_query('demo', prompt, 5)", "modelParameters must be a struct"),
                List.of("ai_query('demo', prompt, failOnError => 'x')", "failOnError must be true or false"),
                List.of("ai_query('demo')", "prompt"),
                List.of("ai_query('demo', prompt, parameters => 5)", "parameters"),
                List.of("transform(array(prompt), p -> ai_query('demo', p))", "explode the array"));
        for (List<String> fault : faults) {
            assertThatThrownBy(() -> spark.sql("select " + fault.get(0) + " from prompts"))
                    .as(fault.get(0))
                    .hasMessageContaining(fault.get(1));
        }
        assertThatThrownBy(() -> spark.sql("select max(" + CALL + ") from prompts"))
                .isNotNull();
    }

    @Test
    void responseFormatIsTheEnginesToJudge() {
        assertThat(
                        column(
                                "select ai_query('demo', 'copy 1', named_struct('max_tokens', 2, 'temperature', 0.0), '{\"type\": \"text\"}')"))
                .hasSize(1);
        Row row = spark.sql(
                        "select ai_query('demo', 'copy 1', responseFormat => '{\"type\": \"xml\"}', failOnError => false) r")
                .select("r.errorMessage")
                .head();
        assertThat(row.getString(0)).contains("response_format");
    }

    @Test
    void aResponseFormatMayBeAType() {
        String call = "ai_query('demo', prompt, named_struct('max_tokens', 200, 'temperature', 0.0), responseFormat =>"
                + " 'STRUCT<result: STRUCT<day: DATE, at: TIMESTAMP, sizes: ARRAY<TINYINT>, long: BOOLEAN>>'";
        Dataset<Row> answers = spark.sql("select " + call + ") a from prompts where id < 2");
        assertThat(answers.schema().apply("a").dataType().sql())
                .isEqualTo("STRUCT<day: DATE, at: TIMESTAMP, sizes: ARRAY<TINYINT>, long: BOOLEAN>");
        assertThat(answers.selectExpr("a.long", "year(a.day)", "size(a.sizes)").collectAsList())
                .hasSize(2)
                .allSatisfy(row -> assertThat(row.anyNull()).isFalse());
        assertThat(column(
                        "select string(ai_query('demo', prompt, named_struct('max_tokens', 200, 'temperature', 0.0), responseFormat =>"
                                + " 'answer INT')) from prompts where id = 1"))
                .hasSize(1)
                .allSatisfy(text -> assertThat(text).matches("-?[0-9]+"));
        String cut = call.replace("200", "2");
        Row row = spark.sql("select " + cut + ", failOnError => false) r from prompts where id = 1")
                .selectExpr("r.response", "r.errorMessage")
                .head();
        assertThat(row.isNullAt(0)).isTrue();
        assertThat(row.getString(1))
                .startsWith("the answer was cut before its end (finish_reason is length): raise max_tokens");
        assertThatThrownBy(() -> spark.sql("select " + cut + ") from prompts").collectAsList())
                .satisfies(thrown -> assertThat(RootCause.of(thrown).getMessage())
                        .startsWith("ai_query: the answer was cut before its end")
                        .endsWith("(incomplete_json); failOnError => false gives a struct with the error instead"));
    }

    @Test
    void aTypeThatAnswersCannotHaveIsToldBeforeAnythingRuns() {
        List<List<String>> faults = List.of(
                List.of(
                        "STRUCT<a: INT, b: INT>",
                        "responseFormat must be a STRUCT with one field, whose value is the answer"),
                List.of("INT", "responseFormat must be a STRUCT with one field"),
                List.of("STRUCT<a: BINARY>", "responseFormat has BINARY, which JSON has no values for"),
                List.of("json please", "responseFormat is no type of Spark's SQL"));
        for (List<String> fault : faults) {
            assertThatThrownBy(() -> spark.sql(
                            "select ai_query('demo', prompt, responseFormat => '" + fault.get(0) + "') from prompts"))
                    .as(fault.get(0))
                    .hasMessageContaining(fault.get(1));
        }
    }

    @Test
    void describesItself() {
        String text = spark.sql("describe function ai_query").collectAsList().toString();
        assertThat(text).contains("ai_query(model, prompt");
        assertThat(Arrays.asList(spark.sql("select " + CALL + " from prompts").columns()))
                .hasSize(1);
    }
}
