package io.github.sparkmixtral.chat;

/**
 * A call of a tool by the assistant.
 *
 * @param id ties the call to its result; v3 wants nine letters or digits
 * @param name the function's name
 * @param arguments the arguments, as JSON text
 */
public record ToolCall(String id, String name, String arguments) {}
