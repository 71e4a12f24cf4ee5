package io.github.sparkmixtral.job.inference;

import java.io.Serializable;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.apache.spark.SparkEnv;
import org.apache.spark.rpc.RpcEndpointRef;
import org.apache.spark.util.RpcUtils;
import scala.reflect.ClassTag$;

/**
 * When a run takes no more rows: at a time, or when all of its executors together have spent so many tokens. Executors go by their
 * own clocks for the one, and ask the driver for the other.
 */
public final class RunLimits implements Serializable {
    private static final long serialVersionUID = 1L;

    /** A run without limits. */
    public static final RunLimits NONE = new RunLimits(null, 0, "");

    private final Instant deadline;
    private final long maxTotalTokens;
    private final String endpoint;

    private RunLimits(Instant deadline, long maxTotalTokens, String endpoint) {
        this.deadline = deadline;
        this.maxTotalTokens = maxTotalTokens;
        this.endpoint = endpoint;
    }

    /** @param maxTotalTokens prompts' and answers'; 0 for no limit */
    public static RunLimits of(Optional<Instant> deadline, long maxTotalTokens) {
        return new RunLimits(deadline.orElse(null), maxTotalTokens, "spark-mixtral-budget-" + UUID.randomUUID());
    }

    /** Lets executors ask, until it is closed. In the driver. */
    public TokenBudget open() {
        return TokenBudget.open(endpoint, maxTotalTokens);
    }

    boolean isReached() {
        return isDeadlinePast() || maxTotalTokens > 0 && Spender.of(endpoint).isSpent(maxTotalTokens);
    }

    public boolean isDeadlinePast() {
        return deadline != null && !Instant.now().isBefore(deadline);
    }

    void spend(long tokens) {
        if (maxTotalTokens > 0) {
            Spender.of(endpoint).spend(tokens);
        }
    }

    /** What this JVM has spent for one run. */
    private static final class Spender {
        private static final Map<String, Spender> SPENDERS = new ConcurrentHashMap<>();
        private static final long ASK_AGAIN = TimeUnit.MILLISECONDS.toNanos(200);

        /** The part of the budget, one in that many, that is spent unreported at most. */
        private static final long PARTS = 100;

        private final RpcEndpointRef driver;
        private final LongAdder unreported = new LongAdder();
        private long asked;
        private boolean spent;

        private Spender(String endpoint) {
            SparkEnv environment = SparkEnv.get();
            this.driver = RpcUtils.makeDriverRef(endpoint, environment.conf(), environment.rpcEnv());
        }

        static Spender of(String endpoint) {
            return SPENDERS.computeIfAbsent(endpoint, Spender::new);
        }

        void spend(long tokens) {
            unreported.add(tokens);
        }

        synchronized boolean isSpent(long budget) {
            boolean due = asked == 0 || System.nanoTime() - asked > ASK_AGAIN || unreported.sum() > budget / PARTS;
            if (!spent && due) {
                Long tokens = unreported.sumThenReset();
                spent = driver.<Boolean>askSync(tokens, ClassTag$.MODULE$.apply(Boolean.class));
                asked = System.nanoTime();
            }
            return spent;
        }
    }
}
