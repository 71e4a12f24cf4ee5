package uk.ac.manchester.tornado.api.runtime;

import uk.ac.manchester.tornado.api.TornadoRuntime;

/** Stands in for TornadoVM's class in tests without the SDK: its devices are the simulator. */
public class TornadoRuntimeProvider {

    public static TornadoRuntime getTornadoRuntime() {
        return new SimulatedRuntime();
    }
}
