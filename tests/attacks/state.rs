//! State is neither lost nor exchanged for another.
