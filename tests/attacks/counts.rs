//! Every point is counted once.
