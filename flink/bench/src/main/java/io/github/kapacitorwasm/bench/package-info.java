/** Measures a plugin in Flink beside the same computation in Java. */
package io.github.kapacitorwasm.bench;
