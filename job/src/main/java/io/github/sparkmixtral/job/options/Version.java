package io.github.sparkmixtral.job.options;

import java.util.Optional;
import org.apache.spark.package$;
import picocli.CommandLine.IVersionProvider;

/** The versions that {@code --version} and the manifest tell. */
public final class Version implements IVersionProvider {

    /** This job's; {@code development} where it runs from classes instead of the jar. */
    public static String job() {
        return Optional.ofNullable(Version.class.getPackage().getImplementationVersion())
                .orElse("development");
    }

    public static String spark() {
        return package$.MODULE$.SPARK_VERSION();
    }

    public static String java() {
        return Runtime.version().toString();
    }

    @Override
    public String[] getVersion() {
        return new String[] {"spark-mixtral " + job(), "Spark " + spark(), "Java " + java()};
    }
}
