//! Machine code on disk is checked before it is loaded.
