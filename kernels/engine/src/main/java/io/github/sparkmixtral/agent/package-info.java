/**
 * Rows that are answered by a model with tools: it calls a tool, is told what the tool says, and goes on until it gives its final
 * answer. Here is what is said and what is called; who asks the model is {@code service}.
 */
package io.github.sparkmixtral.agent;
