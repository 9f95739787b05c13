/** Talks to the functions of a kapacitor-wasm host over its unix sockets. */
package io.github.kapacitorwasm.client;
