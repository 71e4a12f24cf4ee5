package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.file.ModelException;
import picocli.CommandLine;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.ParseResult;

/** Says in one line what is wrong with options, model or backend; anything else is a fault of the benchmark, with its stack trace. */
final class FailureLine implements IExecutionExceptionHandler {
    @Override
    public int handleExecutionException(Exception failure, CommandLine line, ParseResult parsed) throws Exception {
        if (failure instanceof ModelException
                || failure instanceof IllegalArgumentException
                || failure instanceof IllegalStateException) {
            line.getErr().println(line.getCommandName() + ": " + failure.getMessage());
            return 1;
        }
        throw failure;
    }
}
