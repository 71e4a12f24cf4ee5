/**
 * What tests of several modules share: writers of model files, models made of random numbers or of nothing, the golden models, and the
 * contract that every backend's test extends. Knows the engine's public classes only.
 */
package io.github.sparkmixtral.testkit;
