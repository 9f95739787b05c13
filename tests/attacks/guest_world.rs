//! A guest gets the same results for the same data.
