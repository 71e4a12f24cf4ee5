package io.github.sparkmixtral.job.output;

import static org.apache.spark.sql.functions.col;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.Evaluation;
import io.github.sparkmixtral.job.score.Comparison;
import io.github.sparkmixtral.job.score.Score;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How good the answers of an output are, by themselves and beside an earlier run's.
 *
 * @param changed the first answers that are other ones than the baseline's, by id; null if there is no baseline
 */
public record Verdict(Optional<Score> score, Optional<Comparison> comparison, Dataset<Row> changed) {
    private static final Logger LOG = LoggerFactory.getLogger(Verdict.class);

    /** Changed answers that are printed. */
    private static final int SHOWN = 20;

    /** Of an answer, so many characters are printed. */
    private static final int WIDTH = 60;

    /**
     * Judges the answers that are there. All that are other ones than the baseline's are written beside them, if they lie in a
     * directory.
     *
     * @throws JobException with exit code 3 if the output lacks a column that is needed, or it has another type
     */
    public static Verdict of(SparkSession spark, Evaluation evaluation, JobOutput output, Optional<Baseline> baseline)
            throws IOException {
        if (evaluation.expected().isEmpty() && baseline.isEmpty() || !output.hasAnswers()) {
            return new Verdict(Optional.empty(), Optional.empty(), null);
        }
        Dataset<Row> answers = output.answered();
        requireColumns(evaluation, answers.schema());
        Optional<Score> score =
                evaluation.expected().map(_ -> Score.of(answers, col(Answered.ID), col(Answered.TEXT), evaluation));
        if (baseline.isEmpty()) {
            return new Verdict(score, Optional.empty(), null);
        }
        Dataset<Row> pairs =
                Comparison.pairs(answers, baseline.get().answers(spark), Answered.ID, Answered.TEXT, evaluation);
        Comparison comparison = Comparison.of(pairs, baseline.get().directory().shown(), evaluation);
        Dataset<Row> changed = output.writeBeside(Comparison.changed(pairs), Baseline.CHANGED);
        return new Verdict(score, Optional.of(comparison), changed);
    }

    /** An output that is complete may be judged by another column than it was made with. */
    private static void requireColumns(Evaluation evaluation, StructType schema) {
        evaluation
                .columns()
                .filter(name -> schema.getFieldIndex(name).isEmpty())
                .findFirst()
                .ifPresent(name -> {
                    throw JobException.input("the output cannot be scored: it has no column " + name);
                });
        evaluation.expected().ifPresent(name -> {
            if (!evaluation.match().takes(schema.apply(name).dataType())) {
                throw JobException.input("the output's column " + name + " must hold "
                        + evaluation.match().wanted() + " for --expected-column with --expected-match "
                        + evaluation.match().text() + ", not "
                        + schema.apply(name).dataType().simpleString());
            }
        });
    }

    /** Adds what there is to the manifest. */
    void write(ObjectNode manifest) {
        score.ifPresent(found -> found.write(manifest.putObject("score")));
        comparison.ifPresent(found -> found.write(manifest.putObject("baseline")));
    }

    /** Brings the manifest of a complete output up to date. */
    public void update(JobOutput output) throws IOException {
        JsonMapper json = new JsonMapper();
        if (json.readTree(output.read(Manifest.FILE)) instanceof ObjectNode manifest) {
            // As text: what was read has other types of numbers than what was made.
            String before = manifest.toString();
            write(manifest);
            if (!manifest.toString().equals(before)) {
                output.publish(json.writerWithDefaultPrettyPrinter().writeValueAsBytes(manifest), Manifest.FILE);
            }
        }
    }

    /** Prints scores, and the first answers that have changed. */
    public void show(SparkSession spark) {
        score.flatMap(Score::note).ifPresent(LOG::warn);
        score.ifPresent(found -> found.show(spark));
        comparison.map(Comparison::told).orElse(List.of()).forEach(LOG::info);
        if (comparison.isPresent() && comparison.get().changed() > 0) {
            changed.orderBy(col(changed.columns()[0])).show(SHOWN, WIDTH);
        }
    }
}
