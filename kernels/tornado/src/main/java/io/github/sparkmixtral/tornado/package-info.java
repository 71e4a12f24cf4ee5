/**
 * The model's kernels for TornadoVM, and the backend that runs them on its devices.
 *
 * <p>A kernel is a static method that TornadoVM 5.2 translates. What its compiler takes, silently mistakes or refuses shapes
 * how kernels are written here:
 *
 * <ul>
 *   <li>Local and private arrays are touched only in the kernel method itself: handed to a helper method, they are addressed
 *       wrongly, out of their bounds.
 *   <li>No {@code ||} beside {@code &&} in one condition, and no helper that comes to one: the negation of the whole is
 *       translated wrongly. Nested conditions are sums and products of {@code condition ? 1 : 0}.
 *   <li>{@code >>>} is translated as {@code >>}, so what is shifted in is masked off. No array is zeroed.
 *   <li>Integers among a task's arguments are constants of the compiled kernel. What varies is read from an array.
 *   <li>Loops over the elements of a private array have constant bounds, so that the array becomes registers.
 * </ul>
 */
package io.github.sparkmixtral.tornado;
