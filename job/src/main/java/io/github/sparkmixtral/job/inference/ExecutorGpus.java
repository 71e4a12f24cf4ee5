package io.github.sparkmixtral.job.inference;

import java.util.List;
import java.util.Map;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;
import org.apache.spark.resource.ResourceInformation;

/**
 * The GPUs that Spark has given to this executor. A task is told only of its own, which is one if several tasks share it; an
 * executor with more hears of them all as a plugin, which {@code spark.plugins} names.
 */
public final class ExecutorGpus implements SparkPlugin {

    private static final String AMOUNT = "spark.executor.resource.gpu.amount";

    private static volatile List<String> ofExecutor = List.of();

    @Override
    public DriverPlugin driverPlugin() {
        return null;
    }

    @Override
    public ExecutorPlugin executorPlugin() {
        return new ExecutorPlugin() {
            @Override
            public void init(PluginContext context, Map<String, String> configuration) {
                ofExecutor = addresses(context.resources());
            }
        };
    }

    /**
     * Addresses of the GPUs that an engine may use; empty if Spark gives out none.
     *
     * @throws IllegalArgumentException if the executor has more than it was told of
     */
    static List<String> of(TaskContext task) {
        SparkEnv spark = SparkEnv.get();
        // In local mode the driver runs the tasks, and Spark gives out nothing.
        String amount = spark.executorId().equals("driver") ? "0" : spark.conf().get(AMOUNT, "0");
        return known(ofExecutor, addresses(task.resourcesJMap()), amount);
    }

    static List<String> known(List<String> ofExecutor, List<String> ofTask, String amount) {
        List<String> known = ofExecutor.size() > ofTask.size() ? ofExecutor : ofTask;
        if (amount.matches("\\d{1,4}") && Integer.parseInt(amount) > known.size()) {
            throw new IllegalArgumentException(
                    "%s is %s, but the engine was told of %d GPUs; set spark.plugins to %s, as conf/spark-gpu.conf does"
                            .formatted(AMOUNT, amount, known.size(), ExecutorGpus.class.getName()));
        }
        return known;
    }

    private static List<String> addresses(Map<String, ResourceInformation> resources) {
        ResourceInformation gpus = resources.get("gpu");
        return gpus == null ? List.of() : List.of(gpus.addresses());
    }
}
