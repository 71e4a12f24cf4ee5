package io.github.sparkmixtral.job.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.job.fault.JobException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The first word of the command line. */
class SubcommandTest {
    private static final String JOB = "--model m --input in.jsonl --output out";

    private final StringWriter text = new StringWriter();

    private Optional<Subcommand.Call> parse(String line) {
        return Subcommand.parse(line.isEmpty() ? new String[0] : line.split(" "), new PrintWriter(text));
    }

    @Test
    void theJobIsTheDefault() {
        SparkCall named = (SparkCall) parse("run " + JOB + " --verbose").orElseThrow();
        SparkCall unnamed = (SparkCall) parse(JOB + " --verbose").orElseThrow();

        assertThat(named.engine()).isPresent().isEqualTo(unnamed.engine());
        assertThat(named.verbose()).isTrue().isEqualTo(unnamed.verbose());
    }

    @Test
    void helpListsAllSubcommands() {
        assertThat(parse("--help")).isEmpty();
        String help = text.toString();
        assertThat(help.lines())
                .filteredOn(line -> line.matches("  [a-z]+ +[A-Z].*\\."))
                .map(line -> line.strip().split(" ")[0])
                .startsWith("run", "demo", "index")
                .contains("passkey", "perplexity");

        text.getBuffer().setLength(0);
        assertThat(parse("run --help")).isEmpty();
        assertThat(text).hasToString(help);
    }

    @Test
    void eachHasItsOwnHelp() {
        for (String name : List.of("index", "passkey", "perplexity")) {
            text.getBuffer().setLength(0);
            assertThat(parse(name + " --help")).isEmpty();
            assertThat(text.toString()).startsWith("Usage: spark-mixtral " + name + " ");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "inedx --input x | unknown subcommand inedx; did you mean index?",
                "Perplexety | unknown subcommand Perplexety; did you mean perplexity?",
                "frobnicate | unknown subcommand frobnicate: there are run, demo, index, ",
                "prompts.jsonl | unexpected argument prompts.jsonl: every value belongs to an option (--help shows them)",
                "demo | the demo is started by the launcher, bin/spark-mixtral demo, which knows where the demo's model and prompts are",
                "run index | unexpected argument index: every value belongs to an option (--help shows them)",
                "'' | --model is missing: give a directory, file, URI or"
            })
    void whatIsNoneGetsOneSentence(String line, String message) {
        assertThatThrownBy(() -> parse(line)).isInstanceOf(JobException.class).hasMessageStartingWith(message);
    }
}
