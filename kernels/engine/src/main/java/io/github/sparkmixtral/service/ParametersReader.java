package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.SamplingParameters;

/** Lays a row's own sampling parameters, a JSON object, over the job's. */
public final class ParametersReader {

    private ParametersReader() {}

    /**
     * @param json a JSON object with vLLM's and OpenAI's names; null changes nothing
     * @throws IllegalArgumentException naming the field, its value and what is wanted
     */
    public static SamplingParameters read(String json, SamplingParameters job) {
        throw new UnsupportedOperationException();
    }
}
