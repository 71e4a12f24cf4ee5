package io.github.sparkmixtral.job.inference;

import org.apache.spark.SparkEnv;
import org.apache.spark.rpc.RpcCallContext;
import org.apache.spark.rpc.RpcEndpoint;
import org.apache.spark.rpc.RpcEnv;
import scala.PartialFunction;
import scala.runtime.AbstractPartialFunction;
import scala.runtime.BoxedUnit;

/** The tokens that a run may spend, kept by the driver: an executor says how many it has spent, and is told whether to go on. */
public final class TokenBudget implements RpcEndpoint, AutoCloseable {
    private final RpcEnv environment;
    private final long most;
    private long spent;

    private TokenBudget(RpcEnv environment, long most) {
        this.environment = environment;
        this.most = most;
    }

    static TokenBudget open(String name, long most) {
        TokenBudget budget = new TokenBudget(SparkEnv.get().rpcEnv(), most);
        if (most > 0) {
            budget.environment.setupEndpoint(name, budget);
        }
        return budget;
    }

    /** Whether there is one, and it is used up. */
    public synchronized boolean isSpent() {
        return most > 0 && spent >= most;
    }

    private synchronized boolean spend(long tokens) {
        spent += tokens;
        return isSpent();
    }

    @Override
    public RpcEnv rpcEnv() {
        return environment;
    }

    @Override
    public PartialFunction<Object, BoxedUnit> receiveAndReply(RpcCallContext context) {
        return new AbstractPartialFunction<>() {
            @Override
            public boolean isDefinedAt(Object message) {
                return message instanceof Long;
            }

            @Override
            public BoxedUnit apply(Object message) {
                context.reply(spend((Long) message));
                return BoxedUnit.UNIT;
            }
        };
    }

    @Override
    public void close() {
        if (most > 0) {
            stop();
        }
    }
}
