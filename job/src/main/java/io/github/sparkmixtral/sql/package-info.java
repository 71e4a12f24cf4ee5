/**
 * {@code ai_query} in SQL: the call is taken out of its expression into an operator that feeds the engine from the whole partition,
 * as Spark does for Python functions. {@link io.github.sparkmixtral.sql.MixtralExtensions} is the class to name in {@code
 * spark.sql.extensions}.
 */
package io.github.sparkmixtral.sql;
