//! Signals reload the configuration, or end the host cleanly.
