//! Work for one session, and for a plugin that is hard to compile, delays no other.
