package io.github.sparkmixtral.job.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class YarnDriverTest {

    @Test
    void aJobThatIsDoneReturns() {
        assertThatCode(() -> YarnDriver.end(Optional.empty())).doesNotThrowAnyException();
    }

    /** Spark gives YARN an exception's stack trace as the application's diagnostics. */
    @Test
    void aFailureIsToldInOneSentenceWithoutSecrets() {
        JobException failure =
                new JobException(ExitCode.USAGE, "hdfs://me:pass@host/a is no model", new Error("cause"));
        StringWriter trace = new StringWriter();
        catchThrowable(() -> YarnDriver.end(Optional.of(failure))).printStackTrace(new PrintWriter(trace));
        assertThat(trace.toString().lines())
                .containsExactly("spark-mixtral: hdfs://***@host/a is no model (exit code 2)");
    }

    @Test
    void noOtherJvmIsAnApplicationMaster() {
        assertThat(YarnDriver.isHere()).isFalse();
    }
}
