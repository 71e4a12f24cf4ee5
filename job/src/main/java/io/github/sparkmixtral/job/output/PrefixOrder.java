package io.github.sparkmixtral.job.output;

import io.github.sparkmixtral.job.input.IdentifiedRows;
import java.io.Serializable;
import org.apache.spark.rdd.PartitionCoalescer;
import org.apache.spark.rdd.PartitionGroup;
import org.apache.spark.rdd.RDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import scala.Option;

/**
 * Sorts rows by the beginning of their prompts and cuts them into partitions of about one size. Tasks start in the order of the
 * partitions, so those are dealt like cards: at any moment each core is somewhere else in the sorted rows, and goes on there. A
 * beginning that many rows share is then computed by as few executors as its rows keep busy, not by all.
 */
final class PrefixOrder {

    private PrefixOrder() {}

    /** @param rows with {@link IdentifiedRows#BEGINNING} and {@link IdentifiedRows#ID} */
    static Dataset<Row> spread(Dataset<Row> rows, int count) {
        Dataset<Row> sorted = rows.repartitionByRange(
                        count,
                        org.apache.spark.sql.functions.col(IdentifiedRows.BEGINNING),
                        org.apache.spark.sql.functions.col(IdentifiedRows.ID))
                .sortWithinPartitions(IdentifiedRows.BEGINNING, IdentifiedRows.ID);
        int hands = rows.sparkSession().sparkContext().defaultParallelism();
        RDD<Row> rdd = sorted.javaRDD().rdd();
        RDD<Row> dealt = rdd.coalesce(rdd.getNumPartitions(), false, Option.apply(new Dealer(hands)), null);
        return rows.sparkSession().createDataFrame(dealt, sorted.schema());
    }

    /** Puts the partitions into another order. */
    private record Dealer(int hands) implements PartitionCoalescer, Serializable {
        @Override
        public PartitionGroup[] coalesce(int most, RDD<?> parent) {
            int[] order = order(parent.getNumPartitions(), hands);
            PartitionGroup[] groups = new PartitionGroup[order.length];
            for (int i = 0; i < order.length; i++) {
                groups[i] = new PartitionGroup(Option.empty());
                groups[i].partitions().append(parent.partitions()[order[i]]);
            }
            return groups;
        }
    }

    /** The first of each hand's run, then the second of each, and so on. */
    static int[] order(int count, int hands) {
        int run = Math.ceilDiv(count, hands);
        int[] order = new int[count];
        int next = 0;
        for (int i = 0; i < run; i++) {
            for (int place = i; place < count; place += run) {
                order[next++] = place;
            }
        }
        return order;
    }
}
