package io.github.sparkmixtral.connect;

import static org.apache.spark.sql.functions.call_function;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.expr;
import static org.apache.spark.sql.functions.lit;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code ai_query} from a Spark Connect client, which is this JVM, against a server in another one. */
@Timeout(value = 300)
class ConnectIT {
    private static final int ROWS = 12;
    private static final Path MODEL = SparkProcesses.ROOT.resolve("conf/demo/model.gguf");
    private static final String NAMED =
            "ai_query('demo', prompt, modelParameters => named_struct('max_tokens', 4, 'temperature', 0.0))";
    private static final String POSITIONAL =
            "ai_query('demo', prompt, named_struct('max_tokens', 4, 'temperature', 0.0))";

    @TempDir
    private static Path directory;

    private static SparkProcesses processes;
    private static SparkSession spark;
    private static List<String> expected;

    @BeforeAll
    static void startServerAndAskWithoutIt() throws Exception {
        processes = new SparkProcesses(directory);
        int port = freePort();
        Process server = processes.submit(
                "server",
                List.of(
                        "spark.connect.grpc.binding.address=" + SparkProcesses.LOOPBACK,
                        "spark.connect.grpc.binding.port=" + port,
                        // With the jar as the application alone, clients do not find ai_query.
                        "spark.driver.extraClassPath=" + SparkProcesses.JOB_JAR,
                        "spark.sql.extensions=io.github.sparkmixtral.sql.MixtralExtensions",
                        "spark.mixtral.models.demo=" + MODEL),
                "org.apache.spark.sql.connect.service.SparkConnectServer",
                List.of());
        Path input = prompts();
        Path output = directory.resolve("alone");
        Process job = processes.submit(
                "job",
                List.of(),
                "io.github.sparkmixtral.job.BatchInferenceJob",
                List.of(
                        "--model",
                        MODEL.toString(),
                        "--input",
                        input.toString(),
                        "--output",
                        output.toString(),
                        "--temperature",
                        "0",
                        "--max-tokens",
                        "4"));
        assertThat(job.waitFor()).as(Files.readString(processes.log("job"))).isZero();
        awaitServer(server, port);
        spark = SparkSession.builder()
                .remote("sc://" + SparkProcesses.LOOPBACK + ":" + port)
                .getOrCreate();
        spark.read().json(input.toString()).createOrReplaceTempView("prompts");
        expected = texts(spark.read().parquet(output.toString()).orderBy("id").select("generated_text"));
        assertThat(expected).hasSize(ROWS).doesNotContainNull();
    }

    @AfterAll
    static void stopServer() throws IOException {
        if (spark != null) {
            spark.close();
        }
        processes.close();
    }

    private static Path prompts() throws IOException {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            lines.add("{\"id\": " + (100 + i) + ", \"prompt\": \"copy " + i + "\"}");
        }
        return Files.write(directory.resolve("prompts.jsonl"), lines);
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    private static void awaitServer(Process server, int port) throws Exception {
        while (server.isAlive()) {
            try (Socket socket = new Socket(SparkProcesses.LOOPBACK, port)) {
                assertThat(socket.isConnected()).isTrue();
                return;
            } catch (IOException notYet) {
                TimeUnit.MILLISECONDS.sleep(100);
            }
        }
        throw new AssertionError("the server has ended: " + Files.readString(processes.log("server")));
    }

    private static List<String> texts(Dataset<Row> rows) {
        return rows.collectAsList().stream().map(row -> row.getString(0)).toList();
    }

    @Test
    void sqlGivesTheTextsOfTheCommandLine() {
        assertThat(texts(spark.sql("select " + POSITIONAL + " from prompts order by id")))
                .isEqualTo(expected);
        assertThat(texts(spark.sql("select " + NAMED + " from prompts order by id")))
                .isEqualTo(expected);
    }

    @Test
    void dataFramesCallItAndFilterByWhatItAnswers() {
        Dataset<Row> answered = spark.table("prompts").withColumn("answer", expr(NAMED));
        String text = expected.get(7);

        assertThat(texts(answered.filter(col("answer").equalTo(text)).select("answer")))
                .isNotEmpty()
                .containsOnly(text)
                .hasSameSizeAs(expected.stream().filter(text::equals).toList());
        assertThat(texts(answered.filter("id = 107").select("answer"))).containsExactly(text);
        assertThat(texts(spark.table("prompts")
                        .select(call_function(
                                "ai_query",
                                lit("demo"),
                                col("prompt"),
                                expr("named_struct('max_tokens', 4, 'temperature', 0.0)")))))
                .isEqualTo(expected);
    }

    @Test
    void tableIsWrittenByTheServer() {
        spark.table("prompts")
                .selectExpr("id", NAMED + " as answer")
                .write()
                .format("parquet")
                .saveAsTable("answers");

        assertThat(texts(spark.table("answers").orderBy("id").select("answer"))).isEqualTo(expected);
        spark.sql("drop table answers");
    }

    @Test
    void clientMayNameAModelForItsOwnSession() {
        spark.conf().set("spark.mixtral.models.mine", MODEL.toString());

        assertThat(texts(spark.sql("select " + NAMED.replace("'demo'", "'mine'") + " from prompts order by id")))
                .isEqualTo(expected);
        assertThatThrownBy(() -> spark.newSession()
                        .sql("select ai_query('mine', 'copy 1')")
                        .collectAsList())
                .hasMessageContaining("there is no model mine");
    }

    @Test
    void faultsReachTheClientInTheirOwnWords() {
        assertThatThrownBy(() -> spark.sql("select ai_query('nobody', prompt) from prompts")
                        .collectAsList())
                .hasMessageContaining("there is no model nobody");
        assertThatThrownBy(() -> spark.sql("select ai_query('demo', prompt, named_struct('max_token', 5)) from prompts")
                        .collectAsList())
                .hasMessageContaining("modelParameters has no parameter max_token");
        assertThatThrownBy(() -> spark.sql("select ai_query('demo', '')").collectAsList())
                .hasMessageContaining("prompt is empty");
        Row row = spark.sql(
                        "select r.response, r.errorMessage from (select ai_query('demo', '', failOnError => false) r)")
                .head();
        assertThat(row.isNullAt(0)).isTrue();
        assertThat(row.getString(1)).isEqualTo("prompt is empty");
    }
}
