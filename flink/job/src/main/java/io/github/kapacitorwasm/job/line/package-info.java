/** InfluxDB's line protocol, as Telegraf writes it. */
package io.github.kapacitorwasm.job.line;
