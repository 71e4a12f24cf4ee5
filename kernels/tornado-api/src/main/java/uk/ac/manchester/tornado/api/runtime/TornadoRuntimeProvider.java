package uk.ac.manchester.tornado.api.runtime;

import uk.ac.manchester.tornado.api.TornadoRuntime;

/** The way to the backends and their devices. It needs the TornadoVM SDK. */
public class TornadoRuntimeProvider {

    public static TornadoRuntime getTornadoRuntime() {
        throw new UnsupportedOperationException("this needs the TornadoVM SDK: set TORNADOVM_HOME");
    }
}
