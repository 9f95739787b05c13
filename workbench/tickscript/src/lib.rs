//! Reads from a TICKscript how a UDF is called, and what comes before the call.

#![forbid(unsafe_code)]
