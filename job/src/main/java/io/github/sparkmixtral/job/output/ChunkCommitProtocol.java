package io.github.sparkmixtral.job.output;

import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.hadoop.mapreduce.JobContext;
import org.apache.hadoop.mapreduce.TaskAttemptContext;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.internal.io.FileCommitProtocol;
import org.apache.spark.internal.io.FileNameSpec;
import scala.Option;
import scala.collection.immutable.Seq;

/**
 * Publishes each task's files whole when the task commits, under the name of its chunk. Spark's own writer does the rest: it writes
 * to the executor's local disk, so that nothing half done is ever in the output, whatever is killed.
 *
 * <p>Spark makes one for a write, in the driver, by its name and this constructor, and sends copies to the tasks: what a write
 * brings along is left for it with {@link #prepare}.
 */
public final class ChunkCommitProtocol extends FileCommitProtocol implements Serializable {
    private static final long serialVersionUID = 1L;
    private static final Map<String, Write> WRITES = new ConcurrentHashMap<>();

    /** By attempt of a task, how many rows it has answered, where it was stopped before its last. */
    private static final Map<Long, Long> STOPPED = new ConcurrentHashMap<>();

    /**
     * What a write brings along.
     *
     * @param names of the chunks, by partition
     * @param firstAgain from that partition on, the chunks are there already
     * @param extension of their files
     * @param always whether a task without a file of its own for answers, as one whose rows are all errors, leaves an empty one
     */
    record Write(String[] names, int firstAgain, String extension, boolean always) implements Serializable {
        private static final long serialVersionUID = 1L;
    }

    private final String directory;
    private final Write write;
    private transient List<Pending> pending;

    private record Pending(java.nio.file.Path local, String target) {}

    /** Spark's. */
    @SuppressWarnings("unused")
    public ChunkCommitProtocol(String jobId, String path, boolean dynamicPartitionOverwrite) {
        this.directory = path;
        this.write = WRITES.get(path);
        if (write == null) {
            throw new IllegalStateException("no chunks are prepared for " + path);
        }
    }

    static void prepare(String directory, Write write) {
        WRITES.put(directory, write);
    }

    static void forget(String directory) {
        WRITES.remove(directory);
    }

    /** Says that a task was stopped after that many rows of its chunk: its file is then that of the first rows. */
    public static void stoppedAfter(TaskContext task, long rows) {
        STOPPED.put(task.taskAttemptId(), rows);
        task.addTaskCompletionListener(
                (org.apache.spark.util.TaskCompletionListener) ended -> STOPPED.remove(ended.taskAttemptId()));
    }

    @Override
    public void setupJob(JobContext job) {
        // Nothing is set up: files come to the output one by one, each whole.
    }

    @Override
    public void commitJob(JobContext job, Seq<TaskCommitMessage> tasks) {
        // Every task has published what it wrote; _SUCCESS is the job's to write.
    }

    @Override
    public void abortJob(JobContext job) {
        // What is published is whole and stays.
    }

    @Override
    public void setupTask(TaskAttemptContext task) {
        pending = new ArrayList<>();
        log().info("The chunk {} begins", name(task));
    }

    @Override
    public String newTaskTempFile(TaskAttemptContext task, Option<String> folder, String extension) {
        return newFile(task, folder.isDefined() ? folder.get() : "");
    }

    @Override
    public String newTaskTempFile(TaskAttemptContext task, Option<String> folder, FileNameSpec name) {
        return newFile(task, folder.isDefined() ? folder.get() : "");
    }

    private String newFile(TaskAttemptContext task, String folder) {
        try {
            String disk = SparkEnv.get().blockManager().diskBlockManager().localDirsString()[0];
            java.nio.file.Path local =
                    java.nio.file.Path.of(disk, "spark-mixtral-" + UUID.randomUUID() + write.extension());
            java.nio.file.Files.createDirectories(local.getParent());
            pending.add(new Pending(local, ChunkNames.target(folder, name(task), write.extension())));
            return local.toUri().toString();
        } catch (IOException e) {
            throw new UncheckedIOException("the executor's local disk cannot be written", e);
        }
    }

    private String name(TaskAttemptContext task) {
        return write.names()[task.getTaskAttemptID().getTaskID().getId()];
    }

    @Override
    public String newTaskTempFileAbsPath(TaskAttemptContext task, String directory, String extension) {
        throw new UnsupportedOperationException("partitions with directories of their own are not written");
    }

    @Override
    public String newTaskTempFileAbsPath(TaskAttemptContext task, String directory, FileNameSpec name) {
        return newTaskTempFileAbsPath(task, directory, "");
    }

    @Override
    public TaskCommitMessage commitTask(TaskAttemptContext task) {
        Long rows = STOPPED.get(TaskContext.get().taskAttemptId());
        boolean again = task.getTaskAttemptID().getTaskID().getId() >= write.firstAgain();
        try {
            // A chunk that is there is replaced whole or not at all.
            if (rows == null || rows > 0 && !again) {
                publish(new ChunkPublisher(directory, task.getConfiguration()), name(task), rows);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("the chunk " + name(task) + " cannot be published: " + e.getMessage(), e);
        } finally {
            discard();
        }
        return new TaskCommitMessage(null);
    }

    /** The file of the answers comes last: where it is, the chunk is done. */
    private void publish(ChunkPublisher publisher, String name, Long rows) throws IOException {
        String main = name + write.extension();
        Set<String> targets = new HashSet<>();
        pending.sort(java.util.Comparator.comparing(file -> file.target().equals(main)));
        for (Pending file : pending) {
            publisher.publish(file.local(), ChunkNames.firstRows(file.target(), name, rows));
            targets.add(file.target());
        }
        if (write.always() && !targets.contains(main)) {
            publisher.publishEmpty(ChunkNames.firstRows(main, name, rows));
        } else if (!targets.contains(main)) {
            publisher.publishEmpty(ChunkNames.marker(ChunkNames.firstRows(name, name, rows)));
        }
    }

    private void discard() {
        for (Pending file : pending) {
            try {
                java.nio.file.Files.deleteIfExists(file.local());
                java.nio.file.Files.deleteIfExists(
                        file.local().resolveSibling("." + file.local().getFileName() + ".crc"));
            } catch (IOException e) {
                log().warn("{} is left behind: {}", file.local(), e.getMessage());
            }
        }
        pending.clear();
    }

    @Override
    public void abortTask(TaskAttemptContext task) {
        if (pending != null) {
            discard();
        }
    }
}
