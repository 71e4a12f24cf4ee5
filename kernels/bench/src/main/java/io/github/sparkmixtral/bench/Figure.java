package io.github.sparkmixtral.bench;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;

/** Something measured: a row of a table and a line of JSON. What is not known is left out of the JSON. */
@JsonInclude(JsonInclude.Include.NON_NULL)
interface Figure {

    /** What was measured; the JSON's {@code kind}. */
    @JsonProperty
    String kind();

    /** The row of its table. */
    String line();
}
