package uk.ac.manchester.tornado.api;

import java.util.List;

/** A {@link TaskGraph} as it was when {@link TaskGraph#snapshot} was called. */
public class ImmutableTaskGraph {

    private final String name;
    private final List<TaskGraph.Step> steps;

    ImmutableTaskGraph(String name, List<TaskGraph.Step> steps) {
        this.name = name;
        this.steps = steps;
    }

    String name() {
        return name;
    }

    List<TaskGraph.Step> steps() {
        return steps;
    }
}
