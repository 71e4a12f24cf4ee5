package io.github.sparkmixtral.chat;

/**
 * A call of a tool by the assistant.
 *
 * @param id ties the call to its result: nine letters or digits
 * @param name the function's name
 * @param arguments the arguments, as JSON text; text that is no JSON is passed on as a string
 */
public record ToolCall(String id, String name, String arguments) {}
