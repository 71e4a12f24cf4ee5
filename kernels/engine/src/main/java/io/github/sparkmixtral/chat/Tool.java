package io.github.sparkmixtral.chat;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * A function that the model may call.
 *
 * @param description may be empty
 * @param parameters JSON schema of the arguments
 */
public record Tool(String name, String description, JsonNode parameters) {}
