package uk.ac.manchester.tornado.api.exceptions;

/** Device memory could not be given back. */
public class TornadoExecutionPlanException extends Exception {

    private static final long serialVersionUID = 1;

    public TornadoExecutionPlanException(String reason) {
        super(reason);
    }
}
