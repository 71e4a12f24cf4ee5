package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.chat.Chat;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.inspect.Inspection;
import io.github.sparkmixtral.job.options.ChatOptions;
import io.github.sparkmixtral.job.options.InspectOptions;
import java.io.PrintWriter;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.apache.spark.deploy.SparkHadoopUtil;

/** A call that runs in this JVM, without a session of Spark's. */
record LocalCall(String name, boolean verbose, Work work) implements Subcommand.Call {

    /** What runs. */
    interface Work {
        void run(PrintWriter out) throws Exception;
    }

    static LocalCall of(ChatOptions options) {
        return new LocalCall("chat", options.verbose(), out -> Chat.run(options, hadoop(), out));
    }

    static LocalCall of(InspectOptions options) {
        return new LocalCall(
                "inspect",
                options.verbose(),
                out -> Inspection.of(options, hadoop()).print(out));
    }

    private static Configuration hadoop() {
        return SparkHadoopUtil.get().newConfiguration(new SparkConf());
    }

    @Override
    public void run(PrintWriter out) throws Exception {
        if (System.getProperty("spark.submit.deployMode", "client").equals("cluster")) {
            throw JobException.usage(
                    "spark-mixtral " + name
                            + " runs where it is started: leave out --deploy-mode cluster, or the setting spark.submit.deployMode");
        }
        ConsoleLog.configure(verbose);
        work.run(out);
    }
}
