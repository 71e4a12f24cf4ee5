import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.yarn.conf.YarnConfiguration;
import org.apache.hadoop.yarn.server.MiniYARNCluster;

/**
 * HDFS with one DataNode and YARN with two NodeManagers of 4 GB, for the tests: {@code java -cp JARS HadoopCluster.java}, in an empty
 * folder. When all is up, {@code core-site.xml} and {@code yarn-site.xml} there say how to reach it. It ends when its input does, as
 * with its parent.
 */
public final class HadoopCluster {
    private static final Map<String, String> SETTINGS = Map.of(
            "yarn.scheduler.minimum-allocation-mb", "128",
            "yarn.scheduler.capacity.root.queues", "default",
            "yarn.scheduler.capacity.root.default.capacity", "100",
            "yarn.scheduler.capacity.maximum-am-resource-percent", "1.0",
            "yarn.resourcemanager.nodemanagers.heartbeat-interval-ms", "100",
            // However full the disk of a developer is.
            "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage", "100",
            "dfs.namenode.datanode.registration.ip-hostname-check", "false",
            "dfs.replication", "1");

    /** What clients have to know. Other settings of such clusters name classes that a client has not got. */
    private static final List<String> OF_CLIENTS = List.of(
            "fs.defaultFS",
            "dfs.replication",
            "yarn.resourcemanager.address",
            "yarn.resourcemanager.scheduler.address",
            "yarn.resourcemanager.webapp.address");

    private HadoopCluster() {}

    /** Threads of Hadoop's keep the JVM alive whatever happens here. */
    public static void main(String[] arguments) {
        int exitCode = 0;
        try {
            start();
            int _ = System.in.read();
        } catch (Throwable t) {
            t.printStackTrace();
            exitCode = 1;
        }
        System.exit(exitCode);
    }

    private static void start() throws Exception {
        Configuration conf = new YarnConfiguration();
        SETTINGS.forEach(conf::set);
        conf.set("hadoop.tmp.dir", Path.of("tmp").toAbsolutePath().toString());
        MiniDFSCluster hdfs =
                new MiniDFSCluster.Builder(conf, Path.of("hdfs").toAbsolutePath().toFile()).build();
        conf.set("fs.defaultFS", hdfs.getURI().toString());
        MiniYARNCluster yarn = new MiniYARNCluster("yarn", 2, 1, 1);
        yarn.init(conf);
        yarn.start();
        if (!yarn.waitForNodeManagersToConnect(60_000)) {
            throw new IllegalStateException("the NodeManagers have not registered");
        }
        Configuration client = new Configuration(false);
        OF_CLIENTS.forEach(name -> client.set(name, yarn.getConfig().get(name)));
        Path all = Path.of("yarn-site.xml");
        try (OutputStream out = Files.newOutputStream(all)) {
            client.writeXml(out);
        }
        Path fresh = Files.copy(all, Path.of("core-site.xml.new"));
        Files.move(fresh, Path.of("core-site.xml"), StandardCopyOption.ATOMIC_MOVE);
    }
}
