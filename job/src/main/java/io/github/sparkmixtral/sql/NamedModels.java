package io.github.sparkmixtral.sql;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.job.model.ModelCache;
import io.github.sparkmixtral.job.options.GenerationArguments;
import io.github.sparkmixtral.job.options.GenerationOptions;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.internal.SQLConf;
import scala.jdk.javaapi.CollectionConverters;

/**
 * The models that a session knows by name: {@code spark.mixtral.models.demo} is the path of {@code demo}, {@code
 * spark.mixtral.models.demo.quantization} and the like its options.
 */
final class NamedModels {
    static final String PREFIX = "spark.mixtral.models.";

    private NamedModels() {}

    /**
     * What a name or a path stands for in the current session.
     *
     * @throws IllegalArgumentException where there is no such model, or one of its options is wrong
     */
    static GenerationOptions options(String model) {
        Map<String, String> settings = settings();
        Map<String, Object> values = new LinkedHashMap<>();
        String path = settings.get(PREFIX + model);
        String own = PREFIX + model + ".";
        settings.forEach((name, value) -> {
            if (name.startsWith(own)) {
                values.put(name.substring(own.length()), value);
            }
        });
        values.put("model", path == null ? model : path);
        GenerationOptions options = GenerationArguments.resolve(values);
        if (options.columns().context() != null) {
            throw new IllegalArgumentException(
                    "context_index has no meaning for ai_query, whose answer has no column for"
                            + " passages: answer the table with spark-mixtral --context-index or Mixtral.generate");
        }
        String location = options.engine().model();
        if (ModelCache.isLocal(location)) {
            try {
                ModelCache.requireLocal(location);
            } catch (ModelException e) {
                throw new IllegalArgumentException(unknown(model, path, settings), e);
            }
        }
        return options;
    }

    /** The session's own: inside of a view Spark puts the view's settings in their place, which have no models. */
    private static Map<String, String> settings() {
        scala.Option<SparkSession> session = SparkSession.getActiveSession();
        return CollectionConverters.asJava(
                session.isDefined()
                        ? session.get().conf().getAll()
                        : SQLConf.get().getAllConfs());
    }

    private static String unknown(String model, String path, Map<String, String> settings) {
        if (path != null) {
            return "the model " + model + " is at " + Redaction.redact(path) + ", where there is none: set " + PREFIX
                    + model + " to its path";
        }
        TreeSet<String> names = new TreeSet<>();
        settings.keySet().stream()
                .filter(name -> name.startsWith(PREFIX))
                .map(name -> name.substring(PREFIX.length()).split("\\.", 2)[0])
                .forEach(names::add);
        return "there is no model " + Redaction.redact(model) + ": give a path, or set " + PREFIX + "<name>"
                + (names.isEmpty() ? "" : "; names are " + String.join(", ", names));
    }
}
