package io.github.sparkmixtral.job.inference;

import io.github.sparkmixtral.memory.MemoryLimit;
import java.util.Locale;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;

/**
 * How much an executor may take off its heap. YARN kills a process that takes more than its heap and its overhead together, even
 * where the host has more; every other master leaves it to the host and its control groups.
 */
public final class ExecutorMemory {
    private static final String OVERHEAD = "spark.executor.memoryOverhead";

    private static final double GIBIBYTE = 1 << 30;

    /** What a suggestion has room for beside the weights: keys and values, and the JVM's own needs. */
    private static final long BESIDE = 2L << 30;

    private ExecutorMemory() {}

    /** The limit of the process that asks. */
    public static MemoryLimit limit() {
        SparkEnv spark = SparkEnv.get();
        return spark == null || spark.executorId().equals("driver") ? MemoryLimit.NONE : limit(spark.conf());
    }

    /** The limit of an executor of that configuration. */
    public static MemoryLimit limit(SparkConf conf) {
        if (!conf.get("spark.master", "").startsWith("yarn")) {
            return MemoryLimit.NONE;
        }
        long overhead = overheadMebibytes(conf) << 20;
        return new MemoryLimit(overhead, needed -> refusal(needed, overhead));
    }

    /** Spark's own rule. */
    private static long overheadMebibytes(SparkConf conf) {
        if (conf.contains(OVERHEAD)) {
            return conf.getSizeAsMb(OVERHEAD);
        }
        double share = conf.getDouble(OVERHEAD + "Factor", 0.1);
        long least = conf.getSizeAsMb("spark.executor.minMemoryOverhead", "384m");
        return Math.max((long) (share * conf.getSizeAsMb("spark.executor.memory", "1g")), least);
    }

    private static String refusal(long needed, long overhead) {
        return String.format(
                Locale.ROOT,
                "the weights and the key/value cache need %.1f GiB off the heap, but %s is %.1f GiB, and YARN kills what takes"
                        + " more: set %s=%dg",
                needed / GIBIBYTE,
                OVERHEAD,
                overhead / GIBIBYTE,
                OVERHEAD,
                overheadGibibytes(needed));
    }

    /** What {@code spark.executor.memoryOverhead} should be for that many bytes off the heap, in GiB. */
    public static long overheadGibibytes(long needed) {
        return Math.ceilDiv(needed + BESIDE, (long) GIBIBYTE);
    }
}
