//! Large batches pass, or the limit that they exceed is named.
