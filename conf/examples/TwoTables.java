import io.github.sparkmixtral.Mixtral;
import org.apache.spark.sql.SparkSession;

/** Answers a table twice with different options: job/README.md says how to start it. */
class TwoTables {
    static void main(String[] arguments) {
        SparkSession spark = SparkSession.builder().master("local[2]").getOrCreate();
        var before = spark.conf().getAll();
        var prompts = spark.read().json("conf/demo/prompts.jsonl").select("prompt").na().drop().limit(2);
        try (Mixtral mixtral = Mixtral.load(spark, "conf/demo/model.gguf").with("temperature", 0)) {
            mixtral.with("max_tokens", 8).generate(prompts).select("generated_text").show(false);
            mixtral.with("max_tokens", 24).with("n", 2).generate(prompts).select("outputs.text").show(false);
        }
        System.out.println("session settings " + (spark.conf().getAll().equals(before) ? "unchanged" : "changed"));
        spark.stop();
    }
}
