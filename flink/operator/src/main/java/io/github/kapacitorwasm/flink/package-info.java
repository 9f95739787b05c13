/** Functions of kapacitor-wasm on keyed streams of Apache Flink. */
package io.github.kapacitorwasm.flink;
