//! Messages say who, where, what is wrong and what to do.
