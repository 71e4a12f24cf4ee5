package io.github.sparkmixtral.chat;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * A function that the model may call.
 *
 * @param name letters, digits, underscores and dashes, at most 64
 * @param description may be empty
 * @param parameters JSON schema of the arguments: an object
 */
public record Tool(String name, String description, JsonNode parameters) {}
