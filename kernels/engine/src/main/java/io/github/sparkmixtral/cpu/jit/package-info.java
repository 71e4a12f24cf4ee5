/**
 * Kernels in machine code that this process writes itself, for processors with AVX-512. Knows the layout of weights that it reads, and
 * nothing else of the backend.
 */
package io.github.sparkmixtral.cpu.jit;
