package io.github.kapacitorwasm.client;

/** The type of an argument of an option; the order is that of the protocol. */
public enum ValueType {
  /** True or false. */
  BOOL,
  /** An integer of 64 bits. */
  INT,
  /** A floating point number of 64 bits. */
  DOUBLE,
  /** Text. */
  STRING,
  /** A span of time in nanoseconds. */
  DURATION
}
