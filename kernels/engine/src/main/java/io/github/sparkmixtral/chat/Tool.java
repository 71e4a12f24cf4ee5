package io.github.sparkmixtral.chat;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * A function that the model may call.
 *
 * @param name letters, digits, underscores and dashes, at most 64
 * @param description may be empty
 * @param parameters JSON schema of the arguments: an object
 * @param json the object that it was read from, as a chat template sees it; null where there is none
 */
public record Tool(String name, String description, JsonNode parameters, JsonNode json) {

    public Tool(String name, String description, JsonNode parameters) {
        this(name, description, parameters, null);
    }
}
