/** The model's kernels for TornadoVM, and the backend that runs them on its devices. */
package io.github.sparkmixtral.tornado;
