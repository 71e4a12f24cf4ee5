import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.rapaio.jupyter.kernel.MainApp;
import org.rapaio.jupyter.kernel.channels.Channels;
import org.rapaio.jupyter.kernel.core.ConnectionProperties;
import org.rapaio.jupyter.kernel.core.Transform;

/**
 * Starts the Java kernel, in place of its own main class, for two reasons. The kernel reads each channel as soon as it is bound, in an order
 * that changes from start to start, but knows what to do with messages only when all are bound: one that comes in between ends the
 * thread that reads it, and the kernel never answers. With a table of handlers that is there from the beginning and empty, such a message is
 * dropped, and Jupyter asks again. And the main class logs all that java.util.logging is told: Janino, which compiles the code that Spark generates,
 * fails in its own traces then. Here the JDK's own settings hold.
 */
class StartKernel {
    static void main(String[] arguments) throws Exception {
        String connection = Files.readString(Path.of(arguments[0]));
        Channels channels = new Channels(Transform.fromJson(connection, ConnectionProperties.class));
        Field handlers = Channels.class.getDeclaredField("handlers");
        handlers.setAccessible(true);
        handlers.set(channels, Map.of());
        channels.connect(MainApp.kernel);
        channels.joinUntilClose();
    }
}
