/** A job that is made of a file: line protocol in, plugins, line protocol out. */
package io.github.kapacitorwasm.job;
