package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.chat.Chat;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.inspect.Inspection;
import io.github.sparkmixtral.job.options.ChatOptions;
import io.github.sparkmixtral.job.options.InspectOptions;
import io.github.sparkmixtral.job.options.ShowOptions;
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

    static LocalCall of(ShowOptions options) {
        return new LocalCall("show", options.verbose(), out -> {
            int columns = Terminal.STANDARD_OUTPUT.isTerminal()
                    ? Terminal.STANDARD_OUTPUT.columns(System.getenv(), 80)
                    : Integer.MAX_VALUE;
            new Show(options, hadoop(), columns, out).run();
        });
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
