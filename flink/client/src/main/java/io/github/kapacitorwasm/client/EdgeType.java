package io.github.kapacitorwasm.client;

/** What goes into a function, or comes out of it. */
public enum EdgeType {
  /** Points one by one. */
  STREAM,
  /** Batches of points. */
  BATCH
}
