/** Reads and writes protobuf messages as bytes, as far as Kapacitor's UDF protocol needs it. */
package io.github.kapacitorwasm.wire;
