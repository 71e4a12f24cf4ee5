package uk.ac.manchester.tornado.api.exceptions;

/** The device, or the share of it that tornado.device.memory allows, is full. */
public class TornadoOutOfMemoryException extends RuntimeException {

    private static final long serialVersionUID = 1;

    public TornadoOutOfMemoryException(String msg) {
        super(msg);
    }
}
