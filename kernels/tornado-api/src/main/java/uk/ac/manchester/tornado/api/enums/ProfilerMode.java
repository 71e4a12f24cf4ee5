package uk.ac.manchester.tornado.api.enums;

/** Where the profiler's figures go. */
public enum ProfilerMode {
    CONSOLE,
    SILENT
}
