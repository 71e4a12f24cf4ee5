package uk.ac.manchester.tornado.api.exceptions;

/** TornadoVM refused or failed. */
public class TornadoRuntimeException extends RuntimeException {

    private static final long serialVersionUID = 1;

    public TornadoRuntimeException(String msg) {
        super(msg);
    }
}
