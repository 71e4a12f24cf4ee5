import java.nio.file.Files;
import java.nio.file.Path;
import org.rapaio.jupyter.kernel.MainApp;
import org.rapaio.jupyter.kernel.channels.Channels;
import org.rapaio.jupyter.kernel.core.ConnectionProperties;
import org.rapaio.jupyter.kernel.core.Transform;

/**
 * Starts the Java kernel in place of its own main class, which makes java.util.logging log everything: Janino, which compiles the code that Spark
 * generates, fails in its own traces then. Here the JDK's settings hold.
 */
class StartKernel {
    static void main(String[] arguments) throws Exception {
        String connection = Files.readString(Path.of(arguments[0]));
        Channels channels = new Channels(Transform.fromJson(connection, ConnectionProperties.class));
        channels.connect(MainApp.kernel);
        channels.joinUntilClose();
    }
}
