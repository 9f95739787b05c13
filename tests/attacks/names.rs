//! Names that InfluxDB refuses do not reach it.
