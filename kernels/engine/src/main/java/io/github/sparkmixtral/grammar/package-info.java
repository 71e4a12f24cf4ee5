/**
 * Constraints on answers. Every kind of them becomes one {@link io.github.sparkmixtral.grammar.Grammar}: rules over characters. The
 * grammar becomes an automaton over bytes, with a stack for rules that lead to themselves and counters for repetitions; its states are
 * made when a text first comes there, so that a large repetition costs nothing until it is used. Which tokens a state allows is found
 * in one walk over the tree of the vocabulary, and remembered with the state for all rows of the constraint.
 */
package io.github.sparkmixtral.grammar;
