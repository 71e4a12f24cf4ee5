package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.Evaluation;
import io.github.sparkmixtral.job.options.ExpectedMatch;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.job.options.OutputFormat;
import io.github.sparkmixtral.service.Task;
import java.util.Optional;
import java.util.OptionalDouble;
import picocli.CommandLine.Option;

/** Options that say how answers are judged, as they are written. */
final class EvaluationOptions {
    @Option(
            names = "--expected-column",
            paramLabel = "NAME",
            description = "Score the answers: compare them with what this column expects, one answer or an array of"
                    + " accepted ones. The score and its confidence interval are printed and stand in"
                    + " _manifest.json. Rows with errors are wrong; rows that expect nothing are not scored.")
    String expected;

    @Option(
            names = "--expected-match",
            paramLabel = "exact|contains|regex|number|json|f1",
            defaultValue = "exact",
            description =
                    "How they are compared: exact, white space at both ends aside; contains the text; regex, which"
                            + " matches somewhere; number, the last one of the answer; json, the same value; f1, of words in"
                            + " common as SQuAD has it.")
    ExpectedMatch match;

    @Option(
            names = "--score-by",
            paramLabel = "NAME",
            description = "Score each value of this column by itself too; needs --expected-column.")
    String by;

    @Option(
            names = "--min-score",
            paramLabel = "X",
            description =
                    "Exit with 5 if the score of all rows is lower, in [0, 1]. The output is complete all the same."
                            + " Needs --expected-column.")
    Double minScore;

    @Option(
            names = "--baseline",
            paramLabel = "DIR",
            description = "Compare the answers, row by row, with those of an earlier run: its --output directory. With"
                    + " --expected-column, say what is better, what is worse and whether that may be chance.")
    String baseline;

    /** @throws JobException with exit code 2 for the first fault */
    Evaluation resolve(OutputFormat format, Task task) {
        requireExpected("--score-by", by != null);
        requireExpected("--min-score", minScore != null);
        requireExpected("--expected-match " + match.text(), match != ExpectedMatch.EXACT);
        if (minScore != null && !(minScore >= 0 && minScore <= 1)) {
            throw JobException.usage("--min-score must be in [0, 1], not " + OptionValues.text(minScore));
        }
        if (format == OutputFormat.JSONL && expected != null) {
            throw JobException.usage(
                    "--expected-column needs the input's columns, which --output-format jsonl does not write");
        }
        requireTexts("--expected-column", expected, task);
        requireTexts("--baseline", baseline, task);
        if (baseline != null && baseline.isBlank()) {
            throw JobException.usage("--baseline is empty: give the --output directory of an earlier run");
        }
        return new Evaluation(
                Optional.ofNullable(expected),
                match,
                Optional.ofNullable(by),
                minScore == null ? OptionalDouble.empty() : OptionalDouble.of(minScore),
                Optional.ofNullable(baseline));
    }

    private static void requireTexts(String option, String value, Task task) {
        if (value != null && !task.generates() && task != Task.CLASSIFY) {
            throw JobException.usage(
                    option + " needs answers that are texts, which --task " + task.text() + " does not give");
        }
    }

    private void requireExpected(String option, boolean given) {
        if (given && expected == null) {
            throw JobException.usage(option + " needs --expected-column: without it there is nothing to score");
        }
    }
}
