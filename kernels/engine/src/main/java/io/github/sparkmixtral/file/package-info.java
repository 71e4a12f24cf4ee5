/**
 * What all readers of a model's files share: how they refuse one, and how they read JSON in it. Knows nothing else of this project.
 */
package io.github.sparkmixtral.file;
